// From rows of the samplesheet to the inputs of the methods: filtered sections, latents and graphs.

include { failureLines ; refusals        } from '../modules/checks/failures'
include { isFirst                        } from '../modules/checks/runs'
include { keptSpots                      } from '../modules/checks/resources'
include { INGEST                         } from '../modules/ingest'
include { QC ; qcOptions                 } from '../modules/qc'
include { PREPROCESS ; preprocessOptions } from '../modules/preprocess'
include { GRAPH ; graphOptions           } from '../modules/graph'

workflow PREPARE {
    take:
    rows // [section meta, files], e.g. [[dataset: 'embryo', section: 'embryo', columns: ['rna', 'adt'], ...], [rna.h5ad, protein.h5ad]]
    stacks // [dataset, dataset meta], e.g. ['embryo', [dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna']]]
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    options // all parameters with defaults, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    INGEST(rows, code)
    // What was understood of the files, one line per section, e.g. 'embryo: 2187 spots; rna 2187 spots x 32285 features (counts of rna.h5ad, X); ...'
    INGEST.out.line.filter { line -> line.trim() }.subscribe { line -> log.info(line.trim()) }
    // [section meta, section], once every section has been read: else one refusal would hide the others. The error is raised
    // here since of one in an included function the text would not reach the console.
    read = INGEST.out.section.toList().flatMap { sections ->
        def refused = refusals()
        if (refused) {
            error(refused)
        }
        sections
    }
    QC(read, qcOptions(options), code)

    // [dataset meta, [sections]], e.g. [[dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna'], spots: 2187], [embryo.section.h5mu]],
    // in the order of the stack
    datasets = QC.out.section
        .join(QC.out.quality)
        .map { meta, section, quality -> [meta.dataset, section, keptSpots(quality)] }
        .combine(stacks, by: 0)
        .map { _dataset, section, spots, meta -> [groupKey(meta, meta.stack.size()), section, spots] }
        .groupTuple()
        .map { key, sections, spots ->
            [key.groupTarget + [spots: spots.sum()], sections.sort { section -> key.groupTarget.stack.indexOf(section.name - '.section.h5mu') }]
        }
        .ifEmpty { error("No dataset is left:\n  ${failureLines().join('\n  ')}") }

    // [recipe meta, [sections], recipe], e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], [embryo.section.h5mu], smart.yml]; once for all methods that share a recipe
    recipes = datasets
        .combine(channel.fromList(methods*.preprocess.unique()))
        .map { meta, sections, recipe -> [meta + [preprocess: recipe.baseName], sections, recipe] }
    PREPROCESS(recipes, options.seed, preprocessOptions(options), code)
    // [recipe meta, counts] of the first recipe only, e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.counts.h5mu]: they do not depend on the recipe
    counts = PREPROCESS.out.counts.filter { meta, _counts -> isFirst(meta, methods) }

    // [recipes meta, latents, recipe], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, spatial.yml]
    graphs = PREPROCESS.out.latents
        .combine(channel.fromList(methods.collect { method -> [method.preprocess.baseName, method.graph] }.unique()))
        .filter { meta, _latents, preprocess, _recipe -> meta.preprocess == preprocess }
        .map { meta, latents, _preprocess, recipe -> [meta + [graph: recipe.baseName], latents, recipe] }
    GRAPH(graphs, graphOptions(options), code)
    // [recipes meta, graph] of the first recipes only, e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], graph.h5ad]
    spatial = GRAPH.out.graph.filter { meta, _graph -> isFirst(meta, methods) }

    emit:
    datasets = datasets.map { meta, _sections -> meta } // dataset meta, e.g. [dataset: 'embryo', stack: ['embryo'], given: ['adt', 'rna'], spots: 2187]
    latents = PREPROCESS.out.latents // [recipe meta, latents], e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.latents.h5mu]
    counts = counts // [recipe meta, counts] of the first recipe, e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.counts.h5mu]
    inputs = graphs.map { meta, latents, _recipe -> [meta, latents] }.join(GRAPH.out.graph) // [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, graph.h5ad]
    files = INGEST.out.understood.mix(QC.out.quality, PREPROCESS.out.latents, counts, GRAPH.out.statistics, spatial) // [meta, files] for ASSEMBLE and the reports
}
