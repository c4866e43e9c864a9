// CPUs and memory of a training, by the size of its latents' file, which has about 400 bytes per spot.

// The peak that was measured for the most memory-hungry method (SPAMO): 1 GB, and 160 bytes per byte of the file. Four times as
// much at every further attempt.
def trainingMemory(latents, attempt) {
    def needed = 1.GB + 160 * MemoryUnit.of(latents.size())
    return (needed > 4.GB ? needed : 4.GB) * 4 ** (attempt - 1)
}

// One CPU, and one more for every 8 MB, which is 20,000 spots; 8 at most. Smaller trainings are no faster with a second
// thread (36 x 36 spots: 5.1 CPU seconds with one, 7.3 with two), and threads that share a CPU slow each other down.
def trainingCpus(latents) {
    return [1 + latents.size().intdiv(8 * 1024 ** 2), 8].min() as int
}
