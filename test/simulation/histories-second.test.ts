// Histories by seed, the second half: another file, so that both halves run at once.
import { playSeeds } from './histories.ts'

playSeeds(200, 200)
