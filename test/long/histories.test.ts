// Histories by seed, more than `npm test` plays.
import { playSeeds } from '../simulation/histories.ts'

playSeeds(200, 300)
playSeeds(500, 300)
