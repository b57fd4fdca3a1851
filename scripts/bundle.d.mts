export const bundleBuild: () => Promise<void>
export const bundleSources: (folder: string) => Promise<void>
