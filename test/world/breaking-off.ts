// A reader who breaks off once the answer is there.
import { request } from 'node:http'

/** Asks, reads until `wanted` is there, and breaks off. Whether it was. */
export function readAndBreakOff(
  url: string,
  {
    headers,
    wanted,
    method = 'GET',
    body,
  }: { headers: Record<string, string>; wanted: string; method?: string; body?: string },
): Promise<boolean> {
  return new Promise((done, broke) => {
    const sent = request(url, { method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (!text.includes(wanted)) return
        done(true)
        sent.destroy()
      })
      response.on('end', () => done(false))
    })
    sent.on('error', broke).end(body)
  })
}
