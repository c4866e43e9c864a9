// The samplesheet: CSV (commas or semicolons) or TSV, one row per section, checked against assets/schema_input.json and the modalities before any task runs.

include { cohortObstacle   } from './cohorts'
include { valueProblem     } from './params'
include { attempt ; refuse } from './refusals'

// The modalities by name, e.g. [rna: [title: 'RNA', aliases: ['rna', 'gex', ...], ...], ...]
def modalities() {
    return new org.yaml.snakeyaml.Yaml().load(file("${projectDir}/bin/spatialweave/modalities.yml").text)
}

// The rule of each column by name: one file column per modality (modalities.yml), then those of assets/schema_input.json, then
// the user's own columns in the header, e.g.
// [rna: [type: 'string', format: 'path', description: 'RNA counts'], ..., n_domains: [type: 'integer', minimum: 2, ...], ..., meta_donor: [type: 'string', ...]]
def columnRules(header) {
    def files = modalities().collectEntries { name, modality -> [name, [type: 'string', format: 'path', description: modality.file]] }
    def schema = new groovy.json.JsonSlurper().parseText(file("${projectDir}/assets/schema_input.json").text)
    def own = schema.items.patternProperties.collectMany { pattern, rule ->
        header.findAll { name -> name ==~ pattern }.collect { name -> [name, rule] }
    }
    return files + schema.items.properties + own.collectEntries()
}

// The columns with files: one per modality, several modalities at once (multi), and those that go with them (spatial, image, peaks).
def fileColumns(rules) {
    return rules.findAll { _name, rule -> rule.format == 'path' }.keySet().toList()
}

// Of these, the columns with measurements.
def measuredColumns(rules) {
    return fileColumns(rules) - ['spatial', 'image', 'peaks']
}

// The cells of one line, or null where its quotes do not match.
def parseLine(line, separator) {
    def parser = new nextflow.util.CsvParser().setSeparator(separator).setQuote('"').setStrip(true)
    // The parser fails at blanks between a quote and a separator, which are harmless.
    def tidy = line.replaceAll(/^ +| +$/, '').replaceAll(/" +(?=[,;\t]|$)/, '"').replaceAll(/(^|[,;\t]) +"/, '$1"')
    try {
        return parser.parse(tidy).collect { cell -> (cell ?: '').toString().trim() }
    }
    catch (IllegalArgumentException | IllegalStateException _problem) {
        return null
    }
}

def readText(path, sheet) {
    if (isSpreadsheet(path)) {
        error("Samplesheet ${path}: it is a spreadsheet; save it as CSV (UTF-8)")
    }
    try {
        return sheet.text
    }
    catch (IOException problem) {
        def found = problem instanceof java.nio.charset.CharacterCodingException ? 'is not UTF-8 text; save it as UTF-8' : "cannot be read (${problem.message})"
        error("Samplesheet ${path}: it ${found}")
    }
}

def isSpreadsheet(name) {
    return name.toString() ==~ /(?i).+\.(xlsx?|xlsm|ods|numbers)/
}

// [[line number, [cells]], ...] without empty lines; a byte order mark, Windows line ends and quotes are fine, and so are comments
// and Excel's "sep=;" before the header.
def parseLines(path, sheet) {
    def lines = readText(path, sheet).replaceFirst('^\uFEFF', '').readLines()
    def first = lines.findIndexOf { line -> line.trim() && !(line ==~ /(?i)\s*(#(?!\s*dataset\b).*|"?sep=."?\s*)/) }
    // Spreadsheets of many countries write semicolons. A header of several columns holds its separator and no other.
    def header = first < 0 ? '' : lines[first]
    def separator = ['\t', ',', ';'].find { mark -> header.contains(mark) } ?: ','
    def parsed = lines.withIndex(1)
        .drop([first, 0].max())
        .findAll { line, _number -> line.replace(separator, '').trim() }
        .collect { line, number -> [number, parseLine(line, separator)] }
    def broken = parsed.findAll { _number, cells -> cells == null }
    if (broken) {
        error("Samplesheet ${path}, line ${broken.first()[0]}: a quoted cell does not end; close its quotes")
    }
    return parsed
}

// Where relative paths start: in the folder that --data names, else in that of the samplesheet.
def baseFolder(sheet, data) {
    if (!data) {
        return sheet.parent
    }
    def folder = file(data, glob: false)
    if (!folder.isDirectory()) {
        error("--data ${data}: there is no such folder; it is where the relative paths of the samplesheet start")
    }
    return folder
}

// The file of a path cell: absolute, a URL, or relative to the base folder; null if it cannot be a path. Asterisks and the
// like are part of a name: a cell names one file.
def locate(base, cell) {
    try {
        return file(cell.startsWith('/') || cell ==~ /^[a-z][a-z0-9]+:\/\/.*/ ? cell : base.resolve(cell), glob: false)
    }
    catch (URISyntaxException | IllegalArgumentException _problem) {
        return null
    }
}

def cellProblem(base, name, cell, rule) {
    def whole = rule.type == 'integer' && cell ==~ /-?\d{1,9}/
    def decimal = rule.type == 'number' && cell ==~ /-?\d{1,9}([.]\d{1,20})?([eE]-?\d{1,2})?/
    def value = whole ? cell.toInteger() : decimal ? cell.toBigDecimal() : cell
    def problem = valueProblem(name, value, rule)
    if (problem) {
        return problem.replaceFirst('--', 'column ')
    }
    def isFile = rule.format == 'path' || name == 'labels' && isLabelsFile(cell)
    if ((isFile || name == 'labels') && isSpreadsheet(cell)) {
        return "column ${name}: '${cell}' is a spreadsheet; save it as CSV"
    }
    if (isFile && !locate(base, cell)?.exists()) {
        return "column ${name}: there is no file or folder '${cell}' (relative paths start in ${base.toUriString()})"
    }
    return null
}

// Labels are a file where they end like one, else the name of an obs column.
def isLabelsFile(cell) {
    return cell ==~ /(?i).+\.((csv|tsv|txt)(\.gz)?|parquet)/
}

// Problems of one row as texts, e.g. ["line 3, column rna: there is no file ..."].
def rowProblems(base, line, row, rules) {
    def problems = row.findAll { name, cell -> cell && rules.containsKey(name) }
        .collect { name, cell -> cellProblem(base, name, cell, rules[name]) }
        .findAll { problem -> problem != null }
    if (!row.dataset) {
        problems << 'column dataset is empty'
    }
    def counts = measuredColumns(rules)
    if (!counts.any { name -> row[name] }) {
        problems << "at least one of the columns ${counts.join(', ')} needs a file"
    }
    ['donor', 'condition'].findAll { name -> row[name] && row["meta_${name}".toString()] }.each { name ->
        problems << "column ${name}: the row has meta_${name} as well"
    }
    if (row.scale && !row.image) {
        problems << 'column scale: the row has no image'
    }
    ['precomputed', 'measured', 'layer', 'bin'].each { name ->
        declarationsOf(row, name).findAll { choice -> name == 'precomputed' || choice.contains(':') }
            .collect { choice -> choice.tokenize(':').first() }
            .findAll { modality -> !(modality in counts) || !(row[modality] || row.multi) }
            .each { modality -> problems << "column ${name}: the row has no modality '${modality}'" }
    }
    return problems.collect { problem -> "line ${line}, ${problem}" }
}

// What a row says of its modalities in the column `name`, e.g. ['atac:X_lsi', 'rna'].
def declarationsOf(row, name) {
    return (row[name] ?: '').tokenize(';')*.trim().findAll { choice -> choice }
}

// The column that is meant by a name that is none, or null: the modality that is also called so, else the nearest name.
def meantColumn(name, rules) {
    if (name ==~ /(sample|slide|slice|library)(_?(id|name))?/) {
        return 'section'
    }
    def plain = name.replaceAll('[^a-z0-9]', '')
    def modality = modalities().find { _key, kind -> plain in kind.aliases || plain in (kind.derived ?: []) }
    def near = rules.keySet().toList().closest(name)
    return modality ? modality.key : near ? near.first() : null
}

def headerProblems(header, line, rules) {
    def named = header.findAll { name -> name }
    def problems = named.countBy { name -> name }.findAll { _name, count -> count > 1 }
        .collect { name, _count -> "line ${line}: column '${name}' appears more than once" }
    def unknown = named.findAll { name -> !rules.containsKey(name) }.unique()
    if (!('dataset' in named)) {
        def near = unknown.closest('dataset').take(1)
        unknown -= near
        problems << "line ${line}: there is no column 'dataset'" + (near ? "; is '${near.first()}' meant?" : '')
    }
    unknown.each { name ->
        def meant = meantColumn(name, rules)
        problems << "line ${line}: '${name}' is not a column" + (meant ? "; did you mean '${meant}'?" : '') + " (columns of your own are called meta_ and letters, digits or '_')"
    }
    return problems
}

// Cells below no name of a column, as texts; a column of line numbers without a name is harmless.
def namelessProblems(header, body) {
    def nameless = header.findIndexValues { name -> !name }*.toInteger()
    return nameless.collectMany { column ->
        def cells = body.findAll { _line, cells -> cells[column] }.collect { line, cells -> [line, cells[column]] }
        cells.every { _line, cell -> cell ==~ /\d+/ }
            ? []
            : cells.collect { line, cell -> "line ${line}: column ${column + 1} with '${cell}' has no name in the header" }
    }
}

// Files that several sections of a dataset have for the same modality, as texts: without a column that tells the sections apart,
// each would be all of the file. A SpatialData store has a table per section, and of fragments those of spots with coordinates count.
def sharedFileProblems(rows, counts) {
    return counts.collectMany { name ->
        rows.findAll { row -> row[name] && !(row[name] ==~ /.*(\.zarr\/*|fragments\S*)/) && row.section_column in [null, '', 'none'] }
            .groupBy { row -> [row.dataset, row[name]] }
            .findAll { _key, group -> group.size() > 1 }
            .collect { key, group ->
                "lines ${group*.line.join(', ')}, column ${name}: '${key[1]}' is given for ${group.size()} sections of dataset '${key[0]}'; give each section its own file, or name the obs column that tells them apart in a column 'section_column'"
            }
    }
}

// Problems between the rows of a dataset, as texts like those of rowProblems.
def datasetProblems(rows) {
    def problems = rows.groupBy { row -> [row.dataset, row.section] }.findAll { _key, group -> group.size() > 1 }
        .collect { key, group ->
            "lines ${group*.line.join(', ')}: dataset '${key[0]}' has section '${key[1]}' more than once; name its sections in a column 'section'"
        }
    ['platform', 'n_domains'].each { name ->
        rows.groupBy { row -> row.dataset }.each { dataset, group ->
            def values = group.collect { row -> row[name] }.findAll { value -> value }.unique()
            if (values.size() > 1) {
                problems << "lines ${group*.line.join(', ')}, column ${name}: dataset '${dataset}' has several values (${values.join(', ')})"
            }
        }
    }
    rows.groupBy { row -> row.dataset }.each { dataset, group ->
        ['donor', 'condition'].each { name ->
            def lacking = group.findAll { row -> !carriedOf(row)[name] }
            if (group.any { row -> row.condition } && lacking) {
                problems << "lines ${lacking*.line.join(', ')}, column ${name}: empty, and dataset '${dataset}' has conditions: each section needs its donor and condition"
            }
        }
    }
    rows.groupBy { row -> row.dataset }.each { dataset, group ->
        def orders = group.collect { row -> row.order }.findAll { order -> order }
        if (orders && (orders.size() < group.size() || orders.unique(false).size() < orders.size())) {
            problems << "lines ${group*.line.join(', ')}, column order: give each section of dataset '${dataset}' its own position in the stack, or none"
        }
    }
    return problems
}

// What goes along with a section, e.g. [donor: 'P1', condition: 'treated', age: '61'].
def carriedOf(row) {
    def own = row.findAll { name, cell -> name.startsWith('meta_') && cell }.collectEntries { name, cell -> [name - 'meta_', cell] }
    return own + row.subMap('donor', 'condition').findAll { _name, cell -> cell }
}

// The sections of a dataset in the order of the stack: by column order, then by name, in which numbers count as such (s2 before s10).
def stackOf(rows) {
    return rows.sort(false) { a, b ->
        (a.order ? a.order.toInteger() : 0) <=> (b.order ? b.order.toInteger() : 0)
            ?: padded(a.section) <=> padded(b.section)
            ?: a.section <=> b.section
    }*.section
}

def padded(name) {
    return name.replaceAll(/\d+/) { digits -> digits.padLeft(64, '0') }
}

// One section, with the rows of its dataset: what INGEST needs, e.g.
// [[dataset: 'embryo', section: 'embryo', platform: 'dbit', n_domains: 13, stack: ['embryo'], given: ['adt', 'rna'], labels: 'domain', precomputed: [], measured: [], layer: [], section_column: null, genome: null, scale: null, image_features: null, bin: [], carried: [donor: 'P1'], cohort: false, order: null, columns: ['rna', 'adt']],
//  [/data/rna.h5ad, /data/protein.h5ad]]
def sectionOf(base, row, siblings, rules) {
    def n_domains = siblings.collect { sibling -> sibling.n_domains }.find { number -> number }
    def columns = fileColumns(rules).findAll { name -> row[name] }
    def files = columns.collect { name -> locate(base, row[name]) }
    def labelled = row.labels && isLabelsFile(row.labels)
    def meta = [
        dataset: row.dataset,
        section: row.section,
        platform: siblings.collect { sibling -> sibling.platform }.find { platform -> platform } ?: null,
        n_domains: n_domains ? n_domains.toInteger() : null,
        stack: stackOf(siblings),
        given: measuredColumns(rules).findAll { name -> siblings.any { sibling -> sibling[name] } }.sort(),
        order: row.order ? row.order.toInteger() : null,
        labels: labelled ? null : row.labels ?: null,
        precomputed: declarationsOf(row, 'precomputed'),
        measured: declarationsOf(row, 'measured'),
        layer: declarationsOf(row, 'layer'),
        section_column: row.section_column ?: null,
        genome: row.genome ?: null,
        scale: row.scale ?: null,
        image_features: row.image_features ?: null,
        bin: declarationsOf(row, 'bin'),
        carried: carriedOf(row),
        cohort: !cohortObstacle(siblings.collect { sibling -> carriedOf(sibling) }),
        columns: columns + (labelled ? ['labels'] : []),
    ]
    def contents = files.collect { path -> contentsOf(path) }.findAll().join()
    return [meta + (contents ? [contents: contents.md5()] : [:]), files + (labelled ? [locate(base, row.labels)] : [])]
}

// The names, sizes and dates of the files that are read beside a file or in a folder, '' where there are none. -resume sees a
// change in them by this: Nextflow looks at the folder alone. Of folders in clouds nothing is listed, nor where some may not be read.
def contentsOf(path) {
    if (path.scheme != 'file') {
        return ''
    }
    def beside = [path.resolveSibling("${path.baseName}.ibd")] + (path.name.endsWith('.h5') ? [path.resolveSibling('spatial')] : [])
    def parts = path.isDirectory() ? [path] : beside.findAll { one -> one.exists() }
    try {
        return parts.collectMany { part -> filesIn(part) }.collect { one -> "${one} ${one.size()} ${one.lastModified()}\n" }.sort().join()
    }
    catch (IOException | UncheckedIOException _problem) {
        return ''
    }
}

// The files of a folder, as many as the largest stores have: a cell may name any folder.
def filesIn(folder) {
    return java.nio.file.Files.walk(folder).withCloseable { entries -> entries.limit(200000).filter { one -> one.isFile() }.toList() }
}

// All sections of a samplesheet, whose relative paths start in the folder `data`, or beside it where there is none; every
// problem stops the run, naming line and column.
def readSamplesheet(path, data = null) {
    def sheet = file(path, glob: false)
    def refusals = []
    def base = attempt(refusals) { -> baseFolder(sheet, data) }
    if (!sheet.exists() || sheet.isDirectory()) {
        refusals << "Samplesheet ${path}: there is no such file"
    }
    refuse(refusals)
    def lines = parseLines(path, sheet)
    if (lines.size() < 2) {
        error("Samplesheet ${path}: it has no rows; expected a header line and one line per section")
    }
    def header = lines.first()[1].collect { name -> name.toLowerCase() }
    def rules = columnRules(header)
    if (!header.any { name -> rules.containsKey(name) }) {
        error("Samplesheet ${path}, line ${lines.first()[0]}: none of its cells is the name of a column; is it a samplesheet? expected a header line, e.g. dataset,rna,adt")
    }
    def problems = headerProblems(header, lines.first()[0], rules)
    def body = lines.tail()
    problems += body.findAll { _line, cells -> cells.size() > header.size() }
        .collect { line, cells -> "line ${line}: ${cells.size()} cells, but the header has ${header.size()}; quote cells that hold a separator" }
    def rows = body.collect { line, cells ->
        def row = [header, cells].transpose().collectEntries { name, cell -> [name, cell] }
        row + [line: line, section: row.section ?: row.dataset]
    }
    problems += rows.collectMany { row -> rowProblems(base, row.line, row, rules) }
    problems += namelessProblems(header, body)
    problems += datasetProblems(rows.findAll { row -> row.dataset })
    problems += sharedFileProblems(rows, measuredColumns(rules))
    if (problems) {
        def shown = problems.take(30)
        def more = problems.size() - shown.size()
        error("Samplesheet ${path}:\n  " + (shown + (more ? ["and ${more} more"] : [])).join('\n  '))
    }
    return rows.collect { row -> sectionOf(base, row, rows.findAll { other -> other.dataset == row.dataset }, rules) }
}
