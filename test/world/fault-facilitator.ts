// What the paying tests of the browser know as the facilitator's faults; they are in behaviour.ts.
export { HONEST, stage } from './behaviour.ts'
