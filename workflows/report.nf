// What the domains are, comparisons, tables, integrated files and reports of every dataset and of the run.

include { failuresOf ; readFailures } from '../modules/checks/failures'
include { integratedFiles ; preparedFiles ; registeredFiles } from '../modules/checks/files'
include { ASSEMBLE               } from '../modules/assemble'
include { CHARACTERISE           } from '../modules/characterise'
include { COHORT                 } from '../modules/cohort'
include { COMPARE                } from '../modules/compare'
include { EXPORT ; formatsOf }    from '../modules/export'
include { PASSPORTS              } from '../modules/passports'
include { SAVE_MODEL             } from '../modules/save_model'
include { REPORT_DATASET         } from '../modules/report_dataset'
include { SUMMARISE              } from '../modules/summarise'
include { REPORT_RUN             } from '../modules/report_run'

def asJson(value) {
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(value))
}

// A text as an input file of tasks. Its path is a digest of its content, so that the same text means a cached task.
def textFile(name, text) {
    def target = workflow.workDir.resolve("texts/${text.md5()}/${name}")
    // A run that was killed, or whose disk was full, may have left an incomplete file.
    if (!target.exists() || target.text != text) {
        target.parent.mkdirs()
        target.text = text
    }
    return target
}

// 'python: 3.11.7' and so on, a line each, from texts like 'python 3.11.7; torch 2.10.0'
def versionsText(texts) {
    return texts.collectMany { text -> text.tokenize(';')*.trim() }.unique().sort().collect { tool -> tool.replaceFirst(' ', ': ') }.join('\n') + '\n'
}

// One entry per warning of a task, sorted, from [['PREPARE:INGEST', 'embryo/embryo', 'a line per warning'], ...]
def noticesOf(found) {
    return found
        .collectMany { process, task, text -> text.readLines().findAll().collect { line -> [process: process.tokenize(':').last(), task: task, notice: line] } }
        .unique()
        .sort { notice -> [notice.process, notice.task, notice.notice].join(' ') }
}

// The key by which lists are sorted, so that they do not depend on which run ended first, e.g. 'embryo smart 1'.
def order(meta) {
    return "${meta.dataset} ${meta.method} ${meta.seed}"
}

// All files of a channel of [run meta, file] as one list, e.g. [smart.seed1.metrics.csv, ...].
def everyFile(results) {
    return results.toSortedList { a, b -> order(a[0]) <=> order(b[0]) }.map { found -> found.collect { _meta, file -> file } }
}

// The files of all datasets as one list, from a channel of [dataset, file].
def ofDatasets(results) {
    return results.toSortedList { a, b -> a[0] <=> b[0] }.map { found -> found.collect { _dataset, file -> file } }
}

// Of the files of a dataset those that COMPARE reads: domains, metrics and one file of latents, for the spots.
def compared(files) {
    def tables = files.findAll { file -> file.name.endsWith('.domains.csv') || file.name.endsWith('.metrics.csv') }
    return tables + files.findAll { file -> file.name.endsWith('.latents.h5mu') }.take(1)
}

// The files of a dataset with tables of CHARACTERISE, which take the place of those of a saved model.
def withTables(files, tables) {
    return files.findAll { file -> !(file.name in tables*.name) } + tables
}

workflow REPORT {
    take:
    datasets // dataset meta, e.g. [dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna'], spots: 2187]
    n_domains // [dataset, number of domains], e.g. ['embryo', 13] or ['node', 'auto']
    files // [meta, files] of all stages, e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.latents.h5mu]
    planned // run meta of every planned run, e.g. [id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1]
    left_out // what is not run, e.g. [dataset: 'embryo', method: 'smart_ms', reason: 'needs several sections']
    records // [run meta, training record], e.g. [[id: 'smart.seed1', ...], smart.seed1.training.json]
    metrics // [run meta, metrics], e.g. [[id: 'smart.seed1', ...], smart.seed1.metrics.csv]
    verdicts // [meta, files], e.g. [[dataset: 'embryo', seed: 1], [verdict.json, evidence.csv, modality_value.csv]]
    models // [run meta, method file, latents, graph, embedding, state, domains, summary] of the runs that are saved as models
    quality // [run meta, quality of the matches], e.g. [[id: 'smart_ms.seed1', ...], smart_ms.seed1.alignment.csv]
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    not_ready // notices of methods that were left out, e.g. [[process: 'TRAIN', task: 'totalvi', notice: 'left out: There is no ...']]
    cohorts // [dataset] of those whose conditions are compared, e.g. 'brain'
    sets // what CHARACTERISE is given, e.g. [runs: ['smart.seed1'], gene_sets: hallmark.gmt, panel: [], roots: [embryo: 3]]
    options // all parameters with defaults, for the report, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // [dataset, number of entries], e.g. ['embryo', 27]
    expected = datasets
        .map { meta -> [meta.dataset, meta] }
        .join(n_domains)
        .map { dataset, meta, number -> [dataset, preparedFiles(meta, methods) + registeredFiles(meta, methods, options) + integratedFiles(meta, methods, options, number == 'auto')] }
    // [dataset, files], e.g. ['embryo', [smart.counts.h5mu, smart.latents.h5mu, smart.seed1.domains.csv, smart.seed1.h5ad, ...]], as
    // soon as the dataset has all of them; methods.json has the methods in their order, e.g. ["smart", "pca_smooth"]
    computed = files
        .map { meta, found -> [meta.dataset, found] }
        .combine(expected, by: 0)
        .map { dataset, found, number -> [groupKey(dataset, number), found] }
        .groupTuple(remainder: true)
        .map { key, found -> [key.groupTarget, found.flatten().sort { file -> file.name } + [textFile('methods.json', asJson(methods*.name))]] }
        // Without counts preprocessing failed, and there is nothing to show.
        .filter { _dataset, found -> found.any { file -> file.name.endsWith('.counts.h5mu') } }
    // [meta, files] where there are domains, e.g. [[dataset: 'embryo', seed: 1, root: 3], [smart.counts.h5mu, ...]]
    to_characterise = computed
        .filter { _dataset, found -> options.characterise && found.any { file -> file.name.endsWith('.domains.csv') } }
        .map { dataset, found -> [[dataset: dataset, seed: options.seed, root: sets.roots[dataset] ?: sets.roots['']], found] }
    CHARACTERISE(to_characterise, sets.runs, sets.gene_sets, sets.panel, code)
    // [dataset, files, tables of CHARACTERISE], e.g. ['embryo', [smart.counts.h5mu, ...], [markers.csv, ...]]
    characterised = options.characterise
        ? computed
            .join(CHARACTERISE.out.tables.map { meta, tables -> [meta.dataset, [tables].flatten().sort { file -> file.name }] }, remainder: true)
            .map { dataset, found, tables -> [dataset, found, tables ?: []] }
        : computed.map { dataset, found -> [dataset, found, []] }
    by_dataset = characterised.map { dataset, found, tables -> [dataset, withTables(found, tables)] }

    // [meta, files] of the datasets whose conditions are compared, e.g. [[dataset: 'brain'], [smart.counts.h5mu, ..., names.csv]]; of
    // the tables only the names, so that a change of the others compares nothing again
    to_cohort = characterised
        .map { dataset, found, tables -> [dataset, withTables(found, tables.findAll { file -> file.name == 'names.csv' })] }
        .join(cohorts)
        .filter { _dataset, found -> found.any { file -> file.name.endsWith('.domains.csv') } }
        .map { dataset, found -> [[dataset: dataset], found] }
    COHORT(to_cohort, options.cohort_reference ?: '', code)
    // What was found, one line per dataset
    COHORT.out.line.filter { line -> line.trim() }.subscribe { line -> log.info(line.trim()) }

    // The same for the reader, with the tables of COHORT where there are any; those that have none wait for nothing
    by_cohort = by_dataset
        .combine(cohorts.flatten().toList().map { names -> [names] })
        .branch { dataset, _found, names ->
            compared: dataset in names
            plain: true
        }
    to_show = by_cohort.compared
        .map { dataset, found, _names -> [dataset, found] }
        .join(COHORT.out.tables.map { meta, tables -> [meta.dataset, [tables].flatten().sort { file -> file.name }] }, remainder: true)
        .map { dataset, found, tables -> [dataset, found + (tables ?: [])] }
        .mix(by_cohort.plain.map { dataset, found, _names -> [dataset, found] })
    def slide_formats = formatsOf(options.passports)
    // [meta, files] where there are domains, e.g. [[dataset: 'embryo'], [smart.counts.h5mu, ...]]
    to_passports = to_show
        .filter { _dataset, found -> slide_formats && found.any { file -> file.name.endsWith('.domains.csv') } }
        .map { dataset, found -> [[dataset: dataset], found] }
    PASSPORTS(to_passports, methods*.file, slide_formats, code)

    // The models, with the names of their domains where there are any
    to_save = models
        .map { meta, method_file, latents, graph, embedding, state, domains, summary -> [meta.dataset, [meta, method_file, latents, graph, embedding, state, domains, summary]] }
        .combine(by_dataset, by: 0)
        .map { _dataset, parts, found -> parts + [found.find { file -> file.name.endsWith('.counts.h5mu') }, found.find { file -> file.name == 'names.csv' } ?: []] }
    SAVE_MODEL(to_save, code)

    // A file, e.g. versions.yml = 'python: 3.11.7', 'torch: 2.10.0', ...
    versions = channel.topic('versions').map { _process, tools -> tools }.toList().map { found -> textFile('versions.yml', versionsText(found)) }
    // A file, e.g. notices.json = [{process: 'INGEST', task: 'embryo/embryo', notice: 'rna.h5ad: 3 spots are ...'}, ...]
    notices = channel.topic('notices').toList().map { found -> textFile('notices.json', asJson(not_ready + noticesOf(found))) }
    parameters = textFile('params.json', asJson(options))
    presets = methods*.file

    ASSEMBLE(by_dataset, parameters, versions, code)
    def formats = formatsOf(options.export)
    EXPORT(ASSEMBLE.out.integrated.filter { formats }, formats, code)
    // [dataset, files], e.g. ['embryo', [smart.latents.h5mu, smart.seed1.domains.csv, smart.seed1.metrics.csv, ...]], where there are domains
    to_compare = by_dataset
        .map { dataset, found -> [dataset, compared(found)] }
        .filter { _dataset, found -> found.any { file -> file.name.endsWith('.domains.csv') } }
    COMPARE(to_compare, code)
    // The differences come beside the other files of the dataset, where there are any. What failed of the steps up to here is known
    // by then. The report waits neither for PASSPORTS and SAVE_MODEL nor for ASSEMBLE and EXPORT, which wait for all datasets: what
    // fails of them is in the report of the run.
    to_report = to_show
        .join(COMPARE.out.differences, remainder: true)
        .map { dataset, found, differences -> [dataset, found + (differences ? [differences] : []), textFile('failures.json', failuresOf(dataset))] }
    REPORT_DATASET(to_report, presets, parameters, code)
    REPORT_DATASET.out.html.subscribe { dataset, _html -> log.info("${dataset}: the report is ready: ${file("${options.outdir}/${dataset}/report.html").toUriString()}") }

    // A file, e.g. failures.json = [{process: 'TRAIN', dataset: 'embryo', method: 'smart', seed: 1, exit: 2, reason: 'ERROR: ...', ...}];
    // what failed is known once every step that may fail has ended
    failures = metrics
        .mix(verdicts, quality, CHARACTERISE.out.tables, COHORT.out.tables, PASSPORTS.out.slides, SAVE_MODEL.out.model, ASSEMBLE.out.integrated, EXPORT.out.exported, REPORT_DATASET.out.html)
        .toList()
        .map { _all -> textFile('failures.json', readFailures()) }
    // A file, e.g. written.json = ['embryo/integrated.h5mu', 'embryo/report.html', ...], of the files that a dataset has one of
    written = ASSEMBLE.out.integrated
        .mix(REPORT_DATASET.out.html)
        .map { dataset, file -> "${dataset}/${file.name}".toString() }
        .toSortedList()
        .map { paths -> textFile('written.json', asJson(paths)) }
    // A file, e.g. planned.json = [{dataset: 'embryo', method: 'smart', seed: 1}, ...]
    plan = planned
        .map { meta -> meta.subMap('dataset', 'method', 'seed') }
        .toSortedList { a, b -> order(a) <=> order(b) }
        .map { metas -> textFile('planned.json', asJson(metas)) }
    SUMMARISE(
        everyFile(records),
        everyFile(metrics),
        everyFile(quality),
        ofDatasets(COMPARE.out.scores),
        ofDatasets(COMPARE.out.differences),
        ofDatasets(COMPARE.out.agreement),
        plan,
        failures,
        notices,
        written,
        code,
    )
    // A file, e.g. left_out.json = [{dataset: 'embryo', method: 'smart_ms', reason: 'needs several sections'}, ...]
    unfit = left_out
        .toSortedList { a, b -> "${a.dataset} ${a.method}" <=> "${b.dataset} ${b.method}" }
        .map { found -> textFile('left_out.json', asJson(found)) }
    REPORT_RUN(
        SUMMARISE.out.metrics,
        SUMMARISE.out.runs,
        SUMMARISE.out.leaderboard,
        SUMMARISE.out.overall,
        SUMMARISE.out.agreement,
        SUMMARISE.out.notices,
        presets,
        failures,
        unfit,
        parameters,
        versions,
        code,
    )

    emit:
    html = REPORT_RUN.out.html // the report of the run
}
