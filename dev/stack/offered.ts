// The chains that a local site sells on, as its variables name them.

/** One chain: its CAIP-2 id, who is paid there, and its node. */
export type Offered = { network: string; payTo: string; rpcUrl: string }

/** The variables of the site that name networks, in this order. Each namespace has one payee. */
export const networkVars = (offered: readonly Offered[]) => ({
  PAY_TO: Object.fromEntries(offered.map(({ network, payTo }) => [network.split(':')[0], payTo])),
  NETWORKS: offered.map(({ network }) => network),
  RPC_URLS: Object.fromEntries(offered.map(({ network, rpcUrl }) => [network, rpcUrl])),
})
