// The binding that `wrangler.toml` does not declare: the optional origin service.
declare namespace Cloudflare {
  interface Env {
    ORIGIN?: Fetcher
  }
}
interface Env {
  ORIGIN?: Fetcher
}
