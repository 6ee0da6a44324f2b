// What must not stand beside a real network: each value is right by itself, and together they lose money, or never get any.
import { type ConfigProblem, isLocalHost } from './settings.ts'
import { type Network, oneSpelling } from './x402/assets.ts'

/** Addresses whose private keys everybody has, in their one spelling: EVM's are the first that local chains start with. */
const DEVELOPMENT: readonly string[] = [
  // anvil and Hardhat: "test test test test test test test test test test test junk"
  '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
  '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  '0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc',
  '0x90f79bf6eb2c4f870365e785982e1f101e93b906',
  '0x15d34aaf54267db7d7c367839aaf71a00a2c6a65',
  '0x9965507d1a55bcc2695c58ba16fb37d819b0a4dc',
  '0x976ea74026e726554db657fa54763abd0c3a0aa9',
  '0x14dc79964da2c08b23698b3d3cc7ca32193d9955',
  '0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f',
  '0xa0ee7a142d267c1f36714e4a8f75612f20a79720',
  '0xbcd4042de499d14e55001ccbb24a551f3b954096',
  '0x71be63f3384f5fb98995898a86b02fb2426c5788',
  '0xfabb0ac9d68b0b445fb7357272ff202c5651694a',
  '0x1cbd3b2770909d4e10f157cabc84c7264073c9ec',
  '0xdf3e18d64bc6a983f673ab319ccae4f1a57c7097',
  '0xcd3b766ccdd6ae721141f452c550ca635964ce71',
  '0x2546bcd3c84621e976d8185a91a922ae77ecec30',
  '0xbda5747bfd65f08deb54cb465eb87d40e51b197e',
  '0xdd2fd4581271e230360230f9337d5c0430bf44c0',
  '0x8626f6940e2eb28930efb4cef49b2d1f2c9c1199',
  // Ganache: "myth like bonus scare over problem client lizard pioneer submit female collect"
  '0x90f8bf6a479f320ead074411a4b0e7944ea8c9c1',
  '0xffcf8fdee72ac11b5c542428b35eef5769c409f0',
  '0x22d491bde2303f2f43325b2108d26f1eaba1e32b',
  '0xe11ba2b4d45eaed5996cd0823791e0c93114882d',
  '0xd03ea8624c8c5987235048901fb614fdca89b117',
  '0x95ced938f7991cd0dfcb48f0a06a40fa1af46ebc',
  '0x3e5e9111ae8eb78fe1cc3bb8915d5d461f3ef9a9',
  '0x28a8746e75304c0780e011bed21c72cd78cd535e',
  '0xaca94ef8bd5ffee41947b4585a84bda5a3d3da6e',
  '0x1df62f291b2e969fb0849d99d9ce41e2f137006e',
  // Solana. The local stack of this repository
  '8BaSSoUkua5ummD8jYgyBBp41TJBsYtzdf79ZLsRZ7Su',
  '3soCPbY9VQKk6GqvTpQpKMyf1ZM7a2ysBdGte2bmd83z',
  'J1vfufMkhCz7b8UmejFCfS82xmniBbLtxwzC4XpgmwML',
  '7NAA3o4f76fcK8DLqd4GiHSwLa736xfRMA7fDbhEYMz3',
  'HCh1rV7woT5p7f1iHewfqZaYE6iZpi4FUhi3rSkW1jQ6',
  '6A8Wb7cB6bfWXHCtEmSBvMs3vbMXDfJrAUf8NgTd58N',
  '8ssw1ERfrDL2xTzzue3CPijLTt3txz71aotcaZ3EgwaW',
  '4ic8HWxqp9MHpAm3BbSR1EXrLTwTHucBE2DFFdveB2Qi',
  '67ARNnBDJCAzihobDY2sWFTh2fja6xVmLNK3oRUfj7x5',
  // Solana, "test … junk" as above: the first three wallets, the paths above them, and the seed itself
  'oeYf6KAJkLYhBuR8CiGc6L4D4Xtfepr85fuDgA9kq96',
  'AqynRZwvVqUPRwRJXvm6odUb3t93fDjnWe3p6BeuUFxD',
  'CqMbRgMuEhQi9BUS8xP44Wk5nENm48FqJnfjEi4eNb1k',
  'BtELVjZSaWhMat94P9HyasX3Gvpv6C7WHXJGqWdZbwSQ',
  '9tKf8Q98FsGKJiM4oqMnTxmYH3fU2qJzSwzc76vgzyBT',
  'G9r1RYmVnXptzCA2an46rNnHsCAQLvjyM6vR2mo3LpG1',
  // Solana, "abandon … about", the same of it
  'HAgk14JpMQLgt6rVgv7cBQFJWFto5Dqxi472uT3DKpqk',
  'Hh8QwFUA6MtVu1qAoq12ucvFHNwCcVTV7hpWjeY1Hztb',
  '7WktogJEd2wQ9eH2oWusmcoFTgeYi6rS632UviTBJ2jm',
  'GjJyeC1r2RgkuoCWMyPYkCWSGSGLcz266EaAkLA27AhL',
  'D2PPQSYFe83nDzk96FqGumVU8JA7J8vj2Rhjc2oXzEi5',
  'EHqmfkN89RJ7Y33CXM6uCzhVeuywHoJXZZLszBHHZy7o',
  // Solana, keys of 32 equal bytes: 0 to 3
  '4zvwRjXUKGfvwnParsHAS3HuSVzV5cA4McphgmoCtajS',
  'AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9',
  '9hSR6S7WPtxmTojgo6GG3k4yDPecgJY292j7xrsUGWBu',
  'GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse',
]

/** The facilitator of the protocol's own site, which serves test networks only. */
const TEST_FACILITATOR = /^(www\.)?x402\.org\.?$/

/** The settings that matter here, by the name they are written under. */
type Settings = {
  SITE_URL: string | readonly string[]
  PAY_TO: { eip155?: string | undefined; solana?: string | undefined }
  NETWORKS: readonly Network[]
  FACILITATORS?: readonly { url: string }[] | undefined
  FACILITATOR_URL?: string | undefined
}

/** What to write instead; nothing where all networks are test networks. */
export function realMoneyProblems(settings: Settings): ConfigProblem[] {
  const { SITE_URL, PAY_TO, NETWORKS, FACILITATORS, FACILITATOR_URL } = settings
  const real = NETWORKS.filter(({ isTest }) => !isTest)
  if (real.length === 0) return []
  const problems: ConfigProblem[] = []
  const no = (path: string, message: string) => problems.push({ path, message })
  const orTests = 'or only test networks in NETWORKS'

  const sites = typeof SITE_URL === 'string' ? [SITE_URL] : SITE_URL
  sites.forEach((site, i) => {
    if (!isLocalHost(new URL(site).hostname)) return
    const path = typeof SITE_URL === 'string' ? 'SITE_URL' : `SITE_URL[${i}]`
    no(
      path,
      `nobody pays real money at localhost; write your site's origin, such as "https://news.example", ${orTests}`,
    )
  })
  for (const [namespace, payee] of Object.entries(PAY_TO)) {
    if (!DEVELOPMENT.includes(oneSpelling(payee ?? ''))) continue
    no(`PAY_TO.${namespace}`, `everybody has the key of this development address; write your own address, ${orTests}`)
  }
  NETWORKS.forEach(({ isTest, name }, i) => {
    if (!isTest) return
    no(`NETWORKS[${i}]`, `${name} is a test network, whose money is worth nothing; remove it, or the real ones`)
  })
  const facilitators = FACILITATORS ?? (FACILITATOR_URL ? [{ url: FACILITATOR_URL }] : [])
  if (facilitators.length > 0 && facilitators.every(({ url }) => TEST_FACILITATOR.test(new URL(url).hostname))) {
    const names = real.map(({ name }) => name).join(' and ')
    const path = FACILITATORS ? 'FACILITATORS' : 'FACILITATOR_URL'
    no(path, `x402.org serves test networks only; write a facilitator that serves ${names}, ${orTests}`)
  }
  return problems
}
