/**
 * The table by which Windows compares names: one UTF-16 code unit to another, unchanged since Windows Vista although
 * Unicode has changed. These are the values of the recommended up-case table of Microsoft's exFAT file system
 * specification, section 7.2.5.1, written as runs: `61+25:41` says that 61 to 7a become 41 to 5a, and `101+46/2:100`
 * that 101, 103 and so on, 47 of them, become 100, 102 and so on. All numbers but the counts are hexadecimal.
 *
 * JavaScript's own `toUpperCase` maps some 350 units differently, and more with each version of Unicode. With it, two
 * names of one directory could become equal one day.
 */
const runs = `
61+25:41 e0+22:c0 f8+6:d8 ff:178 101+23/2:100 133+2/2:132 13a+7/2:139 14b+22/2:14a 17a+2/2:179 180:243
183+1/2:182 188:187 18c:18b 192:191 195:1f6 199:198 19a:23d 19e:220 1a1+2/2:1a0 1a8:1a7 1ad:1ac 1b0:1af
1b4+1/2:1b3 1b9:1b8 1bd:1bc 1bf:1f7 1c6:1c4 1c9:1c7 1cc:1ca 1ce+7/2:1cd 1dd:18e 1df+8/2:1de 1f3:1f1 1f5:1f4
1f9+19/2:1f8 223+8/2:222 23a:2c65 23c:23b 23e:2c66 242:241 247+4/2:246 253:181 254:186 256+1:189 259:18f 25b:190
260:193 263:194 268:197 269:196 26b:2c62 26f:19c 272:19d 275:19f 27d:2c64 280:1a6 283:1a9 288:1ae 289:244
28a+1:1b1 28c:245 292:1b7 37b+2:3fd 3ac:386 3ad+2:388 3b1+16:391 3c2:3a3 3c3+8:3a3 3cc:38c 3cd+1:38e
3d9+11/2:3d8 3f2:3f9 3f8:3f7 3fb:3fa 430+31:410 450+15:400 461+16/2:460 48b+26/2:48a 4c2+6/2:4c1 4cf:4c0
4d1+33/2:4d0 561+37:531 1d7d:2c63 1e01+74/2:1e00 1ea1+44/2:1ea0 1f00+7:1f08 1f10+5:1f18 1f20+7:1f28 1f30+7:1f38
1f40+5:1f48 1f51+3/2:1f59 1f60+7:1f68 1f70+1:1fba 1f72+3:1fc8 1f76+1:1fda 1f78+1:1ff8 1f7a+1:1fea 1f7c+1:1ffa
1f80+7:1f88 1f90+7:1f98 1fa0+7:1fa8 1fb0+1:1fb8 1fb3:1fbc 1fcc:1fc3 1fd0+1:1fd8 1fe0+1:1fe8 1fe5:1fec 1ffc:1ff3
214e:2132 2170+15:2160 2184:2183 24d0+25:24b6 2c30+46:2c00 2c61:2c60 2c68+2/2:2c67 2c76:2c75 2c81+49/2:2c80
2d00+37:10a0 ff41+25:ff21
`

/**
 * The upper-case code unit by code unit.
 *
 * @since 0.1.0
 */
export const upCase: Uint16Array = (() => {
  const table = Uint16Array.from({ length: 0x1_0000 }, (_, unit) => unit)
  for (
    const [, first, count = "0", step = "1", upper] of runs.matchAll(/([\da-f]+)(?:\+(\d+))?(?:\/(\d))?:([\da-f]+)/g)
  ) {
    for (let i = 0; i <= Number(count); i++) {
      table[Number.parseInt(first!, 16) + i * Number(step)] = Number.parseInt(upper!, 16) + i * Number(step)
    }
  }
  return table
})()

// oxlint-disable-next-line no-control-regex
const ascii = /^[\0-\x7f]*$/

/**
 * The folded name: names that differ in case alone have the same.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fold = (name: string): string => {
  if (ascii.test(name)) return name.toUpperCase()
  let folded = ""
  for (let i = 0; i < name.length; i++) folded += String.fromCharCode(upCase[name.charCodeAt(i)]!)
  return folded
}
