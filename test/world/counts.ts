// Ends a run with a plain line for each failure and one that counts, for log readers that keep no more than the end.
import type { Reporter, TestCase, TestModule } from 'vitest/node'

type TestError = NonNullable<ReturnType<TestCase['result']>['errors']>[number]

const LENGTH = 600

/** What went wrong, on one line. The message shortens what it compares. */
const inOneLine = ({ message, actual }: TestError) =>
  `${message}${typeof actual === 'string' ? `: ${actual}` : ''}`.replaceAll(/\s+/g, ' ').slice(0, LENGTH)

export default class Counts implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 }
    const failures: string[] = []
    for (const module of modules) {
      // A file that fails to load has no tests to count, and is a failure all the same.
      if (module.errors().length > 0) {
        counts.failed += 1
        failures.push(`${module.relativeModuleId}: ${module.errors().map(inOneLine)}`)
      }
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result()
        if (state === 'passed' || state === 'failed' || state === 'skipped') counts[state] += 1
        if (state === 'failed') {
          failures.push(`${module.relativeModuleId} > ${test.fullName}: ${errors.map(inOneLine)}`)
        }
      }
    }
    process.on('exit', () => {
      for (const failure of failures) process.stdout.write(`\nfailed: ${failure}\n`)
      process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
    })
  }
}
