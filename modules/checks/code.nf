// A digest of all files of the package in bin/, and of the versions of all libraries, which Nextflow does not hash itself: as an
// input of every task it makes -resume run the tasks again after a change of either. Compiled Python files are left out. Tests
// take it of other projects.
def codeDigest(project = file(projectDir)) {
    return (files("${project}/bin/spatialweave/**") + [project.resolve('uv.lock')])
        .findAll { source -> source.exists() && source.parent.name != '__pycache__' }
        .sort()
        .collect { source -> "${project.relativize(source)} ${source.bytes.md5()}" }
        .join()
        .md5()
}
