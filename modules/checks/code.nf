// Nextflow does not hash a package inside bin/: this digest of all its files enters every task instead. Code that Python
// has compiled is left out, since it follows from the rest.
def codeDigest() {
    def bin = file("${projectDir}/bin")
    return files("${bin}/spatialweave/**")
        .findAll { source -> source.parent.name != '__pycache__' }
        .sort()
        .collect { source -> "${bin.relativize(source)} ${source.bytes.md5()}" }
        .join()
        .md5()
}
