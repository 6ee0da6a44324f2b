// Bindings and secrets that `wrangler.toml` does not declare: the optional origin service, and secrets.
declare namespace Cloudflare {
  interface Env {
    ORIGIN?: Fetcher
  }
}
interface Env {
  ORIGIN?: Fetcher
}
