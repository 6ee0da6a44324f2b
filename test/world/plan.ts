// What miniflare would start for wrangler.toml, as it writes it down when the worker is built: sites and their store are parts
// of it.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Extension, Service, Worker } from 'miniflare'
import * as z from 'zod'
import { inCheckout } from '../../dev/stack/paths.ts'

/** The folder of the build. */
export const BUILD = inCheckout('.wrangler/test-build')
/** What miniflare would start for wrangler.toml. */
export const PLAN = join(BUILD, 'workerd.json')

type Planned = { name: string; worker?: Worker; disk?: { path: string } } & Service
const Named = z.looseObject({ name: z.string() })
const Plan = z.object({
  services: z.array(z.custom<Planned>((value) => Named.safeParse(value).success)),
  extensions: z.array(
    z.custom<Extension>((value) => z.looseObject({ modules: z.array(Named) }).safeParse(value).success),
  ),
})
export type Plan = z.infer<typeof Plan>

let plan: Promise<Plan> | undefined

/** Services and extensions. It is left out which database a service stands for: its caller says so in a header. */
export function planned(): Promise<Plan> {
  plan ??= readFile(PLAN, 'utf8').then((text) =>
    Plan.parse(JSON.parse(text, (key, value) => (key === 'props' ? undefined : value))),
  )
  return plan
}

/** The same services, which keep what they keep in a folder as `wrangler dev --persist-to` does. */
export function onDisk(services: readonly Planned[], folder: string): Promise<Service[]> {
  return Promise.all(
    services.map(async (service) => {
      if (service.disk === undefined) return service
      const path = join(folder, 'v3', service.name.replace(/:.*/, ''))
      await mkdir(path, { recursive: true })
      return { name: service.name, disk: { ...service.disk, path } }
    }),
  )
}
