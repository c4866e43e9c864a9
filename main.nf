#!/usr/bin/env nextflow
// spatialweave: from count matrices of a tissue to spatial domains, how good they are, and a report.

include { helpText ; resolveParams } from './modules/checks/params'
include { readSamplesheet          } from './modules/checks/samplesheet'
include { chooseMethods ; checkFit ; fits } from './modules/checks/methods'
include { readFailures             } from './modules/checks/failures'
include { SIMULATE                 } from './modules/simulate'
include { INGEST                   } from './modules/ingest'
include { QC                       } from './modules/qc'
include { PREPROCESS               } from './modules/preprocess'
include { GRAPH                    } from './modules/graph'
include { ALIGN                    } from './modules/align'
include { STACK                    } from './modules/stack'
include { TRAIN                    } from './modules/train'
include { CLUSTER                  } from './modules/cluster'
include { EVALUATE                 } from './modules/evaluate'
include { MATCH                    } from './modules/match'
include { ASSEMBLE                 } from './modules/assemble'
include { REPORT_DATASET           } from './modules/report_dataset'
include { SUMMARISE                } from './modules/summarise'
include { REPORT_RUN               } from './modules/report_run'

// Nextflow does not hash a package inside bin/: this digest of its files enters every task instead.
def codeDigest() {
    def bin = file("${projectDir}/bin")
    return files("${bin}/spatialweave/**.{py,html,css,js}").sort().collect { source -> "${bin.relativize(source)} ${source.text.md5()}" }.join().md5()
}

// The image file or folder that an engine is to run; null where the image has a name of its own, or tasks choose.
def imageFile() {
    def container = workflow.session.config.process?.container
    if (container instanceof CharSequence) {
        return container.startsWith('/') ? file(container) : null
    }
    def suffix = [singularity: '.sif', apptainer: '.sif', charliecloud: ''].get(workflow.containerEngine)
    return suffix == null ? null : file("${projectDir}/.cache/spatialweave-${workflow.manifest.version}${suffix}")
}

// Without a container or conda environment the tasks run in the project's .venv.
def checkEnvironment() {
    def image = imageFile()
    if (workflow.containerEngine && image && !image.exists()) {
        error("There is no image ${image} for ${workflow.containerEngine}; docs/running.md says how it is made, and process.container in a configuration given with -c names one that lies elsewhere")
    }
    def provided = workflow.containerEngine || workflow.session.config.conda?.enabled
    if (!provided && !workflow.stubRun && !file("${projectDir}/.venv/bin/python").exists()) {
        error("There is no ${projectDir}/.venv for the tasks to run in; type 'make setup' there, or choose a profile with containers")
    }
}

// The QC thresholds as options of bin/qc.py, e.g. '--rna-min-counts 1 --min-spots 1'.
def qcOptions(options) {
    return options.findAll { name, _value -> name.startsWith('qc_') }
        .collect { name, value -> "--${name.substring(3).replace('_', '-')} ${value}" }.join(' ')
}

// How freely sections may be moved onto each other, as options of bin/align.py.
def alignOptions(options) {
    return ((options.align_reflection ? ['--reflection'] : []) + (options.align_scale ? ['--scale'] : [])).join(' ')
}

// Neighbouring sections of a stack, e.g. [['s1', 's2'], ['s2', 's3']]
def neighbours(stack) {
    return stack.collate(2, 1, false)
}

def asJson(value) {
    return groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(value))
}

// A text as an input file of tasks. Its path follows from its content, so that the same text again means a cached task.
def textFile(name, text) {
    def target = workflow.workDir.resolve("texts/${text.md5()}/${name}")
    // A run that was killed, or whose disk was full, may have left a part of it.
    if (!target.exists() || target.text != text) {
        target.parent.mkdirs()
        target.text = text
    }
    return target
}

// All files of a channel of [run meta, file] as one list, in an order that does not depend on which run ended first.
def everyFile(results_ch) {
    return results_ch
        .toSortedList { a, b -> "${a[0].dataset} ${a[0].method} ${a[0].seed}" <=> "${b[0].dataset} ${b[0].method} ${b[0].seed}" }
        .map { results -> results.collect { _meta, result -> result } }
}

workflow {
    if (params.help) {
        log.info(helpText())
        return
    }
    def options = resolveParams(params)
    def methods = chooseMethods(options)
    def code = codeDigest()
    checkEnvironment()

    // [section meta, files], e.g. [[dataset: 'embryo', section: 'embryo', platform: 'dbit', columns: ['rna', 'adt'], ...], [rna.h5ad, protein.h5ad]]
    if (options.simulate) {
        SIMULATE(options.simulate, options.seed, code)
        sheet_ch = SIMULATE.out.samplesheet.flatMap { sheet -> checkFit(readSamplesheet(sheet), methods) }
    }
    else {
        sheet_ch = channel.fromList(checkFit(readSamplesheet(options.input), methods))
    }
    // Only clustering needs the number of domains: another one repeats nothing before it.
    rows_ch = sheet_ch.map { meta, files -> [meta.findAll { name, _value -> name != 'n_domains' }, files] }
    // [dataset, number of domains], e.g. ['embryo', 13] or ['node', 'auto']
    n_domains_ch = sheet_ch.map { meta, _files -> [meta.dataset, meta.n_domains ?: options.n_domains ?: 'auto'] }.unique()

    // [section meta, section], e.g. [[dataset: 'embryo', section: 'embryo', ...], embryo.section.h5mu]
    INGEST(rows_ch, code)
    QC(INGEST.out.section, qcOptions(options), code)

    // [dataset meta, [sections]], e.g. [[dataset: 'embryo', stack: ['embryo']], [embryo.section.h5mu]], in the order of the stack
    datasets_ch = QC.out.section
        .map { meta, section -> [groupKey([dataset: meta.dataset, stack: meta.stack], meta.stack.size()), section] }
        .groupTuple()
        .map { key, sections -> [key.groupTarget, sections.sort { section -> key.groupTarget.stack.indexOf(section.name - '.section.h5mu') }] }

    // [recipe meta, [sections], recipe], e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], [embryo.section.h5mu], smart.yml]; once for all methods that share a recipe
    preprocess_ch = datasets_ch
        .combine(channel.fromList(methods*.preprocess.unique()))
        .map { meta, sections, recipe -> [meta + [preprocess: recipe.baseName], sections, recipe] }
    PREPROCESS(preprocess_ch, options.seed, code)

    // [preprocessing recipe, graph recipe], e.g. ['smart', spatial.yml]
    recipes_ch = channel.fromList(methods.collect { method -> [method.preprocess.baseName, method.graph] }.unique())
    // [recipes meta, latents, recipe], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, spatial.yml]
    latents_ch = PREPROCESS.out.latents
        .combine(recipes_ch)
        .filter { meta, _latents, preprocess, _recipe -> meta.preprocess == preprocess }
        .map { meta, latents, _preprocess, recipe -> [meta + [graph: recipe.baseName], latents, recipe] }
    GRAPH(latents_ch, options.n_neighbours ?: 0, code)

    // [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], latents.h5mu, graph.h5ad]
    prepared_ch = latents_ch.map { meta, latents, _recipe -> [meta, latents] }.join(GRAPH.out.graph)

    // [pair meta, latents], e.g. [[dataset: 'brain', ..., fixed: 's1', moving: 's2'], smart.latents.h5mu]; one recipe's latents do
    def align = options.align || methods.any { method -> method.sections == 'aligned' }
    stacks_ch = PREPROCESS.out.latents.filter { meta, _latents -> align && meta.stack.size() > 1 && meta.preprocess == methods.first().preprocess.baseName }
    pairs_ch = stacks_ch.flatMap { meta, latents -> neighbours(meta.stack).collect { fixed, moving -> [meta + [fixed: fixed, moving: moving], latents] } }
    ALIGN(pairs_ch, options.align_by, alignOptions(options), code)

    // [recipe meta, latents, [transforms]], e.g. [[dataset: 'brain', ..., preprocess: 'smart'], smart.latents.h5mu, [s1--s2.transform.json, ...]]
    transforms_ch = ALIGN.out.transform
        .map { meta, transform -> [groupKey(meta.findAll { name, _value -> !(name in ['fixed', 'moving']) }, meta.stack.size() - 1), transform] }
        .groupTuple(sort: { transform -> transform.name })
        .map { key, transforms -> [key.groupTarget, transforms] }
    STACK(stacks_ch.join(transforms_ch), code)
    // [dataset, coordinates], e.g. ['brain', coordinates.csv]
    aligned_ch = STACK.out.coordinates.map { meta, coordinates -> [meta.dataset, coordinates] }
    // The same with [] for datasets that are not to be aligned, and for those whose alignment failed.
    datasets_by_need = datasets_ch.branch { meta, _sections ->
        aligned: align && meta.stack.size() > 1
        plain: true
    }
    coordinates_ch = datasets_by_need.aligned
        .map { meta, _sections -> [meta.dataset, meta] }
        .join(aligned_ch, remainder: true)
        .map { dataset, _meta, coordinates -> [dataset, coordinates ?: []] }
        .mix(datasets_by_need.plain.map { meta, _sections -> [meta.dataset, []] })

    // [run meta, latents, graph, method], e.g. [[dataset: 'embryo', ..., method: 'smart', seed: 1], latents.h5mu, graph.h5ad, [name: 'smart', file: smart.yml, settings: ['epochs=100'], ...]]
    runs_ch = prepared_ch
        .combine(channel.fromList(methods))
        .filter { meta, _latents, _graph, method -> meta.preprocess == method.preprocess.baseName && meta.graph == method.graph.baseName && fits(method, meta) }
        .combine(channel.fromList((options.seed..<(options.seed + options.seeds)).toList()))
        .map { meta, latents, graph, method, seed -> [meta + [method: method.name, seed: seed], latents, graph, method] }
    runs_by_need = runs_ch.branch { _meta, _latents, _graph, method ->
        aligned: method.sections == 'aligned'
        plain: true
    }
    // [run meta, latents, graph, coordinates, preset, settings]; methods that need no alignment do not wait for one
    training_ch = runs_by_need.plain
        .map { meta, latents, graph, method -> [meta, latents, graph, [], method.file, method.settings] }
        .mix(
            runs_by_need.aligned
                .map { meta, latents, graph, method -> [meta.dataset, meta, latents, graph, method] }
                .combine(aligned_ch, by: 0)
                .map { _dataset, meta, latents, graph, method, coordinates -> [meta, latents, graph, coordinates, method.file, method.settings] }
        )
    // As text: a folder would be hashed with its date, and every checkpoint in it would have all methods trained again.
    def executor = workflow.session.config.process?.executor
    if (options.checkpoint_dir && executor in ['awsbatch', 'azurebatch', 'google-batch']) {
        error("--checkpoint_dir: tasks of ${executor} share no folder with this machine; leave it out")
    }
    def checkpoint_dir = options.checkpoint_dir ? workflow.launchDir.resolve(options.checkpoint_dir.toString()).toString() : ''
    if (checkpoint_dir) {
        // Containers bind what is there.
        file(checkpoint_dir, glob: false).mkdirs()
    }
    TRAIN(training_ch, options.device, options.preset ?: '', checkpoint_dir, code)

    // [run meta, embedding, latents, graph], e.g. [[dataset: 'embryo', ..., method: 'smart', seed: 1], smart.seed1.h5ad, latents.h5mu, graph.h5ad]
    trained_ch = TRAIN.out.embedding.join(runs_ch.map { meta, latents, graph, _method -> [meta, latents, graph] })
    // [run meta, embedding, graph, number of domains], e.g. [[..., method: 'smart', seed: 1], smart.seed1.h5ad, graph.h5ad, 13]
    clustering_ch = trained_ch
        .map { meta, embedding, _latents, graph -> [meta.dataset, meta, embedding, graph] }
        .combine(n_domains_ch, by: 0)
        .map { _dataset, meta, embedding, graph, n_domains -> [meta, embedding, graph, n_domains] }
    CLUSTER(clustering_ch, options.clustering, options.max_domains, options.refine, code)

    // [run meta, embedding, domains, latents, graph, coordinates], e.g. [[..., method: 'smart', seed: 1], smart.seed1.h5ad, smart.seed1.domains.csv, latents.h5mu, graph.h5ad, []]
    clustered_ch = trained_ch.join(CLUSTER.out.domains)
        .map { meta, embedding, latents, graph, domains -> [meta.dataset, meta, embedding, domains, latents, graph] }
        .combine(coordinates_ch, by: 0)
        .map { _dataset, meta, embedding, domains, latents, graph, coordinates -> [meta, embedding, domains, latents, graph, coordinates] }
    EVALUATE(clustered_ch, options.clustering, code)

    // [run meta, embedding, latents, coordinates], e.g. [[dataset: 'brain', ..., method: 'smart_ms', seed: 1], smart_ms.seed1.h5ad, latents.h5mu, coordinates.csv]
    matching_ch = trained_ch
        .map { meta, embedding, latents, _graph -> [meta.dataset, meta, embedding, latents] }
        .combine(aligned_ch, by: 0)
        .map { _dataset, meta, embedding, latents, coordinates -> [meta, embedding, latents, coordinates] }
    MATCH(matching_ch, options.match_radius, options.match_percentile, code)

    // A file, e.g. failures.json = [{process: 'TRAIN', dataset: 'embryo', method: 'smart', seed: 1, exit: 2, reason: 'ERROR: ...', ...}];
    // what failed is known once every step that may fail has ended
    failures_ch = EVALUATE.out.metrics.mix(MATCH.out.quality).toList().map { _all -> textFile('failures.json', readFailures()) }
    // A file, e.g. versions.yml = 'python: 3.11.7', 'torch: 2.10.0', ...; from elements like ['TRAIN', 'python 3.11.7; torch 2.10.0']
    versions_ch = channel.topic('versions')
        .flatMap { _process, tools -> tools.tokenize(';')*.trim() }
        .unique()
        .toSortedList()
        .map { tools -> textFile('versions.yml', tools.collect { tool -> tool.replaceFirst(' ', ': ') }.join('\n') + '\n') }
    parameters = textFile('params.json', asJson(options))
    presets = methods*.file

    // [dataset, files], e.g. ['embryo', [embryo.section.h5mu, smart.latents.h5mu, smart.seed1.h5ad, smart.seed1.domains.csv, ...]]
    results_ch = QC.out.section
        .mix(QC.out.figures, PREPROCESS.out.latents, GRAPH.out.statistics, TRAIN.out.embedding, CLUSTER.out.domains, CLUSTER.out.summary, EVALUATE.out.metrics)
        .mix(STACK.out.coordinates, STACK.out.transforms, MATCH.out.pairs, MATCH.out.quality)
        .map { meta, files -> [meta.dataset, files] }
        .groupTuple()
        .map { dataset, files -> [dataset, files.flatten().sort { result -> result.name }] }
    ASSEMBLE(results_ch, code)
    REPORT_DATASET(results_ch, presets, failures_ch, parameters, versions_ch, code)

    // A file, e.g. planned.json = [{dataset: 'embryo', method: 'smart', seed: 1}, ...]: the runs that were to be made
    planned_ch = runs_ch.map { meta, _latents, _graph, _method -> [dataset: meta.dataset, method: meta.method, seed: meta.seed] }
        .toSortedList { a, b -> "${a.dataset} ${a.method} ${a.seed}" <=> "${b.dataset} ${b.method} ${b.seed}" }
        .map { metas -> textFile('planned.json', asJson(metas)) }
    SUMMARISE(everyFile(TRAIN.out.embedding), everyFile(EVALUATE.out.metrics), everyFile(MATCH.out.quality), planned_ch, failures_ch, code)
    REPORT_RUN(SUMMARISE.out.metrics, SUMMARISE.out.runs, presets, failures_ch, parameters, versions_ch, code)

    workflow.onComplete = {
        def report = file("${options.outdir}/report.html")
        if (report.exists() && workflow.stats.ignoredCount) {
            log.warn("${workflow.stats.ignoredCount} task(s) failed and were left out; the report says which and why")
        }
        if (report.exists() && !workflow.preview) {
            log.info("\nThe report: ${report.toUriString()}\n")
        }
    }
}
