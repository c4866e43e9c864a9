// Tables, integrated files and reports of every dataset and of the run.

include { readFailures           } from '../modules/checks/failures'
include { ASSEMBLE               } from '../modules/assemble'
include { EXPORT ; exportFormats } from '../modules/export'
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

workflow REPORT {
    take:
    files // [meta, files] of all stages, e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.latents.h5mu]
    planned // run meta of every planned run, e.g. [id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1]
    records // [run meta, training record], e.g. [[id: 'smart.seed1', ...], smart.seed1.training.json]
    metrics // [run meta, metrics], e.g. [[id: 'smart.seed1', ...], smart.seed1.metrics.csv]
    quality // [run meta, quality of the matches], e.g. [[id: 'smart_ms.seed1', ...], smart_ms.seed1.alignment.csv]
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    left_out // notices of methods that were left out, e.g. [[process: 'TRAIN', task: 'totalvi', notice: 'left out: There is no ...']]
    options // all parameters with defaults, for the report, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // A file, e.g. failures.json = [{process: 'TRAIN', dataset: 'embryo', method: 'smart', seed: 1, exit: 2, reason: 'ERROR: ...', ...}];
    // what failed is known once every step that may fail has ended
    failures = metrics.mix(quality).toList().map { _all -> textFile('failures.json', readFailures()) }
    // A file, e.g. versions.yml = 'python: 3.11.7', 'torch: 2.10.0', ...
    versions = channel.topic('versions').map { _process, tools -> tools }.toList().map { found -> textFile('versions.yml', versionsText(found)) }
    // A file, e.g. notices.json = [{process: 'INGEST', task: 'embryo/embryo', notice: 'rna.h5ad: 3 spots are ...'}, ...]
    notices = channel.topic('notices').toList().map { found -> textFile('notices.json', asJson(left_out + noticesOf(found))) }
    parameters = textFile('params.json', asJson(options))
    presets = methods*.file

    // [dataset, files], e.g. ['embryo', [smart.counts.h5mu, smart.latents.h5mu, smart.seed1.domains.csv, smart.seed1.h5ad, ...]]
    datasets = files
        .map { meta, found -> [meta.dataset, found] }
        .groupTuple()
        .map { dataset, found -> [dataset, found.flatten().sort { file -> file.name }] }
    ASSEMBLE(datasets, parameters, versions, code)
    def formats = exportFormats(options.export)
    EXPORT(ASSEMBLE.out.integrated.filter { formats }, formats, code)
    REPORT_DATASET(datasets, presets, failures, parameters, versions, code)

    // A file, e.g. planned.json = [{dataset: 'embryo', method: 'smart', seed: 1}, ...]
    plan = planned
        .map { meta -> meta.subMap('dataset', 'method', 'seed') }
        .toSortedList { a, b -> order(a) <=> order(b) }
        .map { metas -> textFile('planned.json', asJson(metas)) }
    SUMMARISE(everyFile(records), everyFile(metrics), everyFile(quality), plan, failures, notices, code)
    REPORT_RUN(SUMMARISE.out.metrics, SUMMARISE.out.runs, SUMMARISE.out.notices, presets, failures, parameters, versions, code)
}
