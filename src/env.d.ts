// Bindings and secrets that `wrangler.toml` does not declare.
declare namespace Cloudflare {
  interface Env {
    /** The service that is the site's origin. */
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
