// What `wrangler.toml` does not declare: the optional bindings, and the secret that is read outside of the configuration.
declare namespace Cloudflare {
  interface Env {
    ORIGIN?: Fetcher
    ANALYTICS?: AnalyticsEngineDataset
    ADMIN_TOKEN?: string
  }
}
interface Env {
  ORIGIN?: Fetcher
  ANALYTICS?: AnalyticsEngineDataset
  ADMIN_TOKEN?: string
}
