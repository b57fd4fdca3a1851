/** What a server's words say of the target that an operation was tried on. */
import { assert, it } from "@effect/vitest"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import { fromStatus } from "../../src/Protocol/Errors.ts"

const { judge } = DfsAdapter

it.each(["STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_OBJECT_PATH_NOT_FOUND", "STATUS_NO_SUCH_FILE"] as const)(
  "%s is one of the words for nothing: of a path it is the answer, of a share the target has failed",
  (status) => {
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CREATE")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "SET_INFO")), "NotFound")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "TREE_CONNECT")), "TargetFailed")
    assert.strictEqual(judge(fromStatus(NtStatus[status], "CLOSE")), "Failed")
  }
)
