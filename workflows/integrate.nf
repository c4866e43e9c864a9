// Every method with every seed on every dataset that it can run on: embedding, domains, metrics, matched spots. And the
// consensus of all of them.

include { fits ; weaveMembers } from '../modules/checks/methods'
include { TRAIN    } from '../modules/train'
include { CLUSTER  } from '../modules/cluster'
include { EVALUATE } from '../modules/evaluate'
include { MATCH    } from '../modules/match'
include { WEAVE    } from '../modules/weave'

workflow INTEGRATE {
    take:
    inputs // [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'spatial'], smart.latents.h5mu, graph.h5ad]
    aligned // [dataset, coordinates], e.g. ['brain', coordinates.csv], where there are any
    coordinates // one element for every dataset, e.g. ['brain', coordinates.csv] or ['embryo', []]
    n_domains // [dataset, number of domains], e.g. ['embryo', 13] or ['node', 'auto']
    methods // the chosen methods, e.g. [[name: 'smart', file: smart.yml, preprocess: smart.yml, graph: spatial.yml, ...], ...]
    options // all parameters with defaults, e.g. [seeds: 1, clustering: 'mclust', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // [run meta, latents, graph, method], e.g. [[id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1], smart.latents.h5mu, graph.h5ad, [name: 'smart', file: smart.yml, ...]]
    runs = inputs
        .combine(channel.fromList(methods))
        .filter { meta, _latents, _graph, method -> meta.preprocess == method.preprocess.baseName && meta.graph == method.graph.baseName && fits(method, meta) }
        .combine(channel.fromList((0..<options.seeds).collect { number -> options.seed + number }))
        .map { meta, latents, graph, method, seed -> [meta + [id: "${method.name}.seed${seed}".toString(), method: method.name, seed: seed], latents, graph, method] }
    // Methods that need no alignment do not wait for one.
    by_need = runs.branch { _meta, _latents, _graph, method ->
        aligned: method.sections == 'aligned'
        plain: true
    }
    // [run meta, latents, graph, coordinates, preset, method], e.g. [[id: 'smart.seed1', ...], smart.latents.h5mu, graph.h5ad, [], smart.yml, [settings: ['epochs=100'], preset: '', environment: '', gpu: true]]
    trainings = by_need.aligned
        .map { meta, latents, graph, method -> [meta.dataset, meta, latents, graph, method] }
        .combine(aligned, by: 0)
        .map { _dataset, meta, latents, graph, method, file -> [meta, latents, graph, file, method] }
        .mix(by_need.plain.map { meta, latents, graph, method -> [meta, latents, graph, [], method] })
        .map { meta, latents, graph, file, method -> [meta, latents, graph, file, method.file, method.subMap('settings', 'preset', 'environment', 'gpu')] }
    TRAIN(trainings, options.device, options.checkpoint_dir ?: '', code)

    // [dataset, run meta, embedding, latents, graph], e.g. ['embryo', [id: 'smart.seed1', ...], smart.seed1.h5ad, smart.latents.h5mu, graph.h5ad]
    trained = TRAIN.out.embedding
        .join(runs.map { meta, latents, graph, _method -> [meta, latents, graph] })
        .map { meta, embedding, latents, graph -> [meta.dataset, meta, embedding, latents, graph] }
    // [run meta, embedding, graph, number of domains], e.g. [[id: 'smart.seed1', ...], smart.seed1.h5ad, graph.h5ad, 13]
    to_cluster = trained
        .combine(n_domains, by: 0)
        .map { _dataset, meta, embedding, _latents, graph, number -> [meta, embedding, graph, number] }
    CLUSTER(to_cluster, options.clustering, options.max_domains, options.refine, code)

    def members = weaveMembers(options, methods)
    // [dataset, run meta], e.g. ['embryo', [id: 'weave.seed1', dataset: 'embryo', method: 'weave', seed: 1]], where two runs or more are joined
    woven = runs
        .map { meta, _latents, _graph, _method -> meta }
        .filter { meta -> meta.method in members }
        .map { meta -> [meta.dataset, meta.method] }
        .groupTuple()
        .filter { _dataset, found -> found.size() > 1 }
        .map { dataset, _found -> [dataset, [id: "weave.seed${options.seed}".toString(), dataset: dataset, method: 'weave', seed: options.seed]] }
    // [dataset, latents, graph] of the first recipes, e.g. ['embryo', smart.latents.h5mu, graph.h5ad]: their spots are those of all
    spots = inputs
        .filter { meta, _latents, _graph -> meta.preprocess == methods.first().preprocess.baseName && meta.graph == methods.first().graph.baseName }
        .map { meta, latents, graph -> [meta.dataset, latents, graph] }
    // [run meta, [domains], latents, number of domains], e.g. [[id: 'weave.seed1', ...], [smart.seed1.domains.csv, ...], smart.latents.h5mu, 13]
    to_weave = CLUSTER.out.domains
        .filter { meta, _domains -> meta.method in members }
        .map { meta, domains -> [meta.dataset, domains] }
        .groupTuple(sort: { file -> file.name })
        .join(woven)
        .join(spots)
        .combine(n_domains, by: 0)
        .map { _dataset, domains, meta, latents, _graph, number -> [meta, domains, latents, number] }
    WEAVE(to_weave, code)
    // [dataset, run meta, embedding, latents, graph], as of the other runs
    consensus = WEAVE.out.embedding
        .map { meta, embedding -> [meta.dataset, meta, embedding] }
        .join(spots)

    // [run meta, embedding, domains, latents, graph, coordinates], e.g. [[id: 'smart.seed1', ...], smart.seed1.h5ad, smart.seed1.domains.csv, smart.latents.h5mu, graph.h5ad, []]
    to_evaluate = trained
        .mix(consensus)
        .combine(coordinates, by: 0)
        .map { _dataset, meta, embedding, latents, graph, file -> [meta, embedding, latents, graph, file] }
        .join(CLUSTER.out.domains.mix(WEAVE.out.domains))
        .map { meta, embedding, latents, graph, file, domains -> [meta, embedding, domains, latents, graph, file] }
    EVALUATE(to_evaluate, options.clustering, code)

    // [run meta, embedding, latents, coordinates], e.g. [[id: 'smart_ms.seed1', dataset: 'brain', ...], smart_ms.seed1.h5ad, smart.latents.h5mu, coordinates.csv]
    to_match = trained
        .combine(aligned, by: 0)
        .map { _dataset, meta, embedding, latents, _graph, file -> [meta, embedding, latents, file] }
    MATCH(to_match, options.match_radius ?: '', options.match_percentile ?: '', code)

    emit:
    planned = runs.map { meta, _latents, _graph, _method -> meta }.mix(woven.map { _dataset, meta -> meta }) // run meta, e.g. [id: 'smart.seed1', dataset: 'embryo', ..., method: 'smart', seed: 1]
    records = TRAIN.out.record.mix(WEAVE.out.record) // [run meta, record], e.g. [[id: 'smart.seed1', ...], smart.seed1.training.json]
    metrics = EVALUATE.out.metrics // [run meta, metrics], e.g. [[id: 'smart.seed1', ...], smart.seed1.metrics.csv]
    quality = MATCH.out.quality // [run meta, quality of the matches], e.g. [[id: 'smart_ms.seed1', ...], smart_ms.seed1.alignment.csv]
    files = TRAIN.out.embedding.mix(CLUSTER.out.domains, CLUSTER.out.summary, WEAVE.out.embedding, WEAVE.out.domains, EVALUATE.out.metrics, MATCH.out.pairs, MATCH.out.quality) // [run meta, files] for ASSEMBLE and the reports
}
