/** Wrangler brings a text as a module. */
declare module '*.txt' {
  const text: string
  export default text
}
