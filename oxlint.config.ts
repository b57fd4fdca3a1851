/**
 * The rules of lint. `scripts/rooms.ts` has the rooms and their order; a rule for each of them is made from that here.
 */
import { defineConfig, type OxlintOverride } from "oxlint"
import { rooms, serverFolders } from "./scripts/rooms.ts"

const paths = [
  { name: "effect", message: "Import the module: effect/Effect." },
  { name: "@effect/platform-node", message: "Import the module: @effect/platform-node/NodeFileSystem." }
]

interface Pattern {
  readonly group: Array<string>
  readonly message: string
}

const names: ReadonlyArray<string> = Object.keys(rooms)

const restricted = (files: string, patterns: ReadonlyArray<Pattern>): OxlintOverride => ({
  files: [files],
  rules: { "no-restricted-imports": ["error", { paths, patterns: patterns.filter(({ group }) => group.length > 0) }] }
})

/** The rooms that a room may not import, and the internal folders of all others. */
const patternsOf = (name: string, may: ReadonlyArray<string>): ReadonlyArray<Pattern> => [
  {
    group: names.filter((other) => other !== name && !may.includes(other)).map((other) => `**/${other}/**`),
    message: `${name} may not import this room (docs/adr/0002-rooms.md).`
  },
  {
    group: names.map((other) => `**/${other}/internal/**`),
    message: "Only a room itself may import its internal folder (docs/adr/0002-rooms.md)."
  }
]

const roomRules = Object.entries(rooms).map(([name, may]) => restricted(`src/${name}/**`, patternsOf(name, may)))

/** In the server's internal folder, imports run from the last folder to the first. */
const serverRules = serverFolders.map((folder, i) =>
  restricted(`src/Server/internal/${folder}/**`, [
    ...patternsOf("Server", rooms.Server),
    {
      group: serverFolders.slice(i + 1).map((other) => `../${other}/**`),
      message: `${folder} may not import this folder: ${serverFolders.join(" < ")} (docs/adr/0002-rooms.md).`
    }
  ])
)

export default defineConfig({
  plugins: ["typescript", "unicorn", "oxc", "import", "promise", "node"],
  categories: {
    correctness: "error",
    suspicious: "error",
    perf: "error"
  },
  ignorePatterns: ["dist", "node_modules"],
  env: { es2024: true, node: true },
  rules: {
    eqeqeq: "error",
    "no-console": "error",
    "no-empty": ["error", { allowEmptyCatch: false }],
    "no-var": "error",
    "prefer-const": "error",
    "object-shorthand": "error",
    "no-else-return": "error",
    "no-throw-literal": "error",
    "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
    "require-yield": "off",
    "no-await-in-loop": "off",
    "no-underscore-dangle": "off",
    "no-shadow": "off",
    "typescript/array-type": ["error", { default: "generic", readonly: "generic" }],
    "typescript/consistent-type-imports": "error",
    "typescript/ban-ts-comment": "error",
    "typescript/no-explicit-any": "off",
    "typescript/no-non-null-assertion": "off",
    "typescript/no-import-type-side-effects": "error",
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "import/no-duplicates": "error",
    "import/first": "error",
    "import/no-default-export": "error",
    "import/no-unassigned-import": "off",
    "unicorn/prefer-node-protocol": "error",
    "unicorn/throw-new-error": "off",
    "unicorn/no-array-sort": "off",
    "unicorn/no-array-reverse": "off",
    "unicorn/consistent-function-scoping": "off",
    "unicorn/no-thenable": "off",
    "unicorn/no-useless-spread": "off",
    "promise/valid-params": "off",
    "unicorn/prefer-set-has": "off",
    "no-useless-concat": "off",
    "oxc/no-accumulating-spread": "off"
  },
  overrides: [
    ...roomRules,
    ...serverRules,
    {
      files: ["test/**", "bench/**", "demo/**", "scripts/**", "bin/**", "examples/**"],
      rules: { "no-console": "off" }
    },
    {
      files: ["test/**"],
      plugins: ["vitest"],
      rules: {
        "vitest/no-focused-tests": "error",
        "vitest/no-disabled-tests": "error",
        "vitest/no-commented-out-tests": "error",
        "vitest/expect-expect": "off",
        "vitest/no-conditional-expect": "off",
        "vitest/no-standalone-expect": "off",
        "vitest/valid-title": "off",
        "vitest/valid-describe-callback": "off",
        "vitest/valid-expect": "off",
        "vitest/require-to-throw-message": "off"
      }
    },
    {
      files: ["*.config.ts"],
      rules: { "import/no-default-export": "off" }
    }
  ]
})
