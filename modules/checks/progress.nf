// What trainings are doing, and what came of them, on the console.

// Where trainings note how far they are, '' for a work folder that is no place in the file system.
def progressFolder() {
    return workflow.workDir.toUri().scheme == 'file' ? workflow.workDir.resolve("progress/${workflow.runName}").toString() : ''
}

// The option by which TRAIN notes it, or nothing. Call it inside of a script block, so that tasks do not depend on the run's name.
def progressOption(task) {
    return progressFolder() ? "--progress-file '${progressFolder()}/${task.tag}'" : ''
}

// 'embryo, smart, seed 1: epoch 120 of 300, at most 20 s left' from a note, or null where it tells nothing of epochs, or is old.
def progressLine(note) {
    def text = note.exists() ? note.text : ''
    def found = text =~ /epoch +(\d+)\/(\d+).* at most (.+) left/
    if (!found || System.currentTimeMillis() - note.lastModified() > 120000) {
        return null
    }
    return "${note.name}: epoch ${found[0][1]} of ${found[0][2]}, at most ${found[0][3]} left"
}

// Says every 15 seconds how far the trainings are, later more rarely: a run of days should not fill the screen.
def watchTrainings() {
    if (!progressFolder()) {
        return
    }
    def folder = file(progressFolder())
    def last = [text: '', time: System.currentTimeMillis()]
    def start = System.currentTimeMillis()
    def look = {
        def now = System.currentTimeMillis()
        def wait = Math.max(14000, (now - start).intdiv(20))
        def lines = folder.exists() && now - last.time >= wait ? folder.listFiles().sort { note -> note.name }.collect { note -> progressLine(note) }.findAll() : []
        def text = lines.take(8).join('\n  ') + (lines.size() > 8 ? "\n  and ${lines.size() - 8} more" : '')
        if (lines && text != last.text) {
            log.info("Training:\n  ${text}")
            last.text = text
            last.time = now
        }
    }
    new java.util.Timer('trainings', true).schedule(look as java.util.TimerTask, 15000L, 15000L)
}

// 'embryo: smart, seed 1: 13 domains; adjusted Rand index 0.612 with the labels' from a run's metrics; null for an empty file.
def resultLine(meta, metrics) {
    def rows = metrics.size() ? metrics.splitCsv(header: true) : []
    def values = rows.collectEntries { row -> [row.metric, row.value] }
    if (!rows) {
        return null
    }
    def shown = [ari: 'adjusted Rand index %.3f with the labels', morans_i: "Moran's I of the domains %.3f"].findAll { name, _text -> values[name]?.isNumber() }
    def score = shown.collect { name, text -> '; ' + String.format(java.util.Locale.ROOT, text, values[name] as double) }.take(1).join()
    return "${meta.dataset}: ${meta.method}, seed ${meta.seed}: ${rows.first().n_domains} domains${score}"
}

// What a run found and where to look, once it has ended; an empty text where there is nothing to say. Of the results folder only
// the index is read, since earlier runs may have left the rest. `verdicts`: the files of ASSESS, e.g. [embryo: verdict.json]
def closingText(outdir, verdicts) {
    def index = file("${outdir}/index.csv")
    def runs = index.exists() && index.size() ? index.splitCsv(header: true) : []
    def lines = runs.groupBy { run -> run.dataset }.collectMany { dataset, group ->
        def verdict = verdicts[dataset]
        def found = verdict?.size() ? ": ${new groovy.json.JsonSlurper().parseText(verdict.text).headline}" : ''
        def report = group.find { run -> run.report }?.report
        ["  ${dataset}${found}", report ? "      maps, markers, evidence: ${file("${outdir}/${report}").toUriString()}" : '      no report']
    }
    return lines ? "Found:\n${lines.join('\n')}".toString() : ''
}
