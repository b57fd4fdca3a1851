/** What a status says about the target on which an operation was tried (DfsAdapter.judge). */
import { assert, it } from "@effect/vitest"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"

const { judge } = DfsAdapter

it.each(["STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_NO_SUCH_FILE"] as const)(
  "judge takes %s to CREATE and SET_INFO for NotFound, to TREE_CONNECT for TargetFailed, to CLOSE for Failed",
  (status) => {
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CREATE")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "SET_INFO")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "TREE_CONNECT")), "TargetFailed")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CLOSE")), "Failed")
  }
)
