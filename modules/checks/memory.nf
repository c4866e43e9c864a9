// What the dearest method (SPAMO) was seen to take: 1 GB, and 160 bytes for every byte of its latents' file, which grows with the
// spots and their dimensions. Four times more at every further attempt.
def trainingMemory(latents, attempt) {
    def needed = 1.GB + 160 * MemoryUnit.of(latents.size())
    return (needed > 4.GB ? needed : 4.GB) * 4 ** (attempt - 1)
}
