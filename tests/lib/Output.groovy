import java.nio.file.Path

/** What can be read from a file without the packages that wrote it. */
class Output {
    static Path path(file) {
        return Path.of(file.toString())
    }

    static String name(file) {
        return path(file).fileName.toString()
    }

    static List<String> columns(file) {
        return path(file).readLines().first().split(',', -1).toList()
    }

    /** The rows of a CSV file without quoted cells, as maps. */
    static List<Map<String, String>> rows(file) {
        def header = columns(file)
        return path(file).readLines().tail().collect { line -> [header, line.split(',', -1).toList()].transpose().collectEntries() }
    }

    /** Those of the names that no group, table or column of an HDF5 file has; all of them when it is no HDF5 file. */
    static List<String> missing(file, List<String> names) {
        def text = path(file).getText('ISO-8859-1')
        return text.contains('\u0089HDF\r\n') ? names.findAll { name -> !text.contains("${name}\0") } : names
    }

    /** The files of a folder and its folders, as sorted paths relative to it. */
    static List<String> files(folder) {
        def root = new File(folder.toString())
        def found = []
        root.eachFileRecurse(groovy.io.FileType.FILES) { file -> found << root.toPath().relativize(file.toPath()).toString() }
        return found.sort()
    }
}
