// A digest of all files of the package in bin/, which Nextflow does not hash itself: as an input of every task it makes
// -resume run the tasks again after a change of the code. Compiled Python files are left out.
def codeDigest() {
    def bin = file("${projectDir}/bin")
    return files("${bin}/spatialweave/**")
        .findAll { source -> source.parent.name != '__pycache__' }
        .sort()
        .collect { source -> "${bin.relativize(source)} ${source.bytes.md5()}" }
        .join()
        .md5()
}
