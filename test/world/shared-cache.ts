// A shared cache in front of the site: nginx, set up as eagerly as a content network would be. It keeps whatever it is
// not told to leave alone, and knows neither cookies nor Vary nor payment headers.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../dev/stack/ports.ts'

export const HOW_TO_INSTALL =
  'nginx was not found: shared caches are tried with naive ones alone. Install it: apt-get install -y --no-install-recommends nginx-light'

/** The path of nginx, or null where there is none. */
export function findNginx(): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    const candidate = join(folder, 'nginx')
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {
      // Not there.
    }
  }
  return null
}

const configuration = (folder: string, port: number, upstream: string) => `
daemon off;
pid ${folder}/pid;
error_log stderr notice;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/temp;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  large_client_header_buffers 4 32k;
  proxy_cache_path ${folder}/cache keys_zone=all:1m;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_buffer_size 64k;
      proxy_buffers 8 64k;
      proxy_cache all;
      proxy_cache_key $host$request_uri;
      proxy_cache_valid any 10m;
      proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
      proxy_ignore_headers Set-Cookie Vary;
      add_header X-Cache $upstream_cache_status always;
    }
  }
}
`

export type CachingProxy = { url: string; stop(): Promise<void> }

/** Starts nginx in front of `upstream` on a free port, with an empty cache. */
export async function startProxy(nginx: string, upstream: string): Promise<CachingProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'newsstand-nginx-'))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration(folder, port, upstream))
  const child = spawn(nginx, ['-p', folder, '-e', 'stderr', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const killAtExit = () => void child.kill('SIGTERM')
  process.once('exit', killAtExit)
  const ended = once(child, 'exit')
  let said = ''
  const ready = new Promise<void>((done) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      said += `${line}\n`
      // By then it listens: the sockets are opened before the workers.
      if (line.includes('start worker process ')) done()
    })
  })
  await Promise.race([
    ready,
    ended.then(() => {
      throw new Error(`nginx did not start:\n${said}`)
    }),
  ])
  return {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM')
      await ended
      process.removeListener('exit', killAtExit)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
