export declare const packages: ReadonlyArray<string>
export declare const which: (program: string) => string | undefined
export declare const missing: () => string | undefined
export declare const domainPackages: ReadonlyArray<string>
export declare const missingDomain: () => string | undefined
export declare const mountPackages: ReadonlyArray<string>
export declare const missingMounts: () => string | undefined
