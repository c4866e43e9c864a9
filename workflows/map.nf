// New sections labelled by a saved model, in place of training and clustering: embedding, domains, metrics.

include { resultLine } from '../modules/checks/progress'
include { EVALUATE   } from '../modules/evaluate'
include { MAP        } from '../modules/map'

workflow MAP_SECTIONS {
    take:
    inputs // [recipes meta, latents, graph], e.g. [[dataset: 'embryo', ..., preprocess: 'smart', graph: 'smart'], smart.latents.h5mu, graph.h5ad]
    counts // [recipe meta, counts], e.g. [[dataset: 'embryo', ..., preprocess: 'smart'], smart.counts.h5mu]
    model // the model as a method, e.g. [name: 'reference', preprocess: <folder>, domains: 7, seed: 1, ...]
    options // all parameters with defaults, e.g. [device: 'auto', ...]
    code // digest of the package, e.g. '9e107d9d372bb6826bd81d3542a419d6'

    main:
    // [dataset, run meta, latents, graph], e.g. ['embryo', [id: 'reference.seed1', dataset: 'embryo', method: 'reference', seed: 1], smart.latents.h5mu, graph.h5ad]
    runs = inputs.map { meta, latents, graph ->
        [meta.dataset, [id: "${model.name}.seed${model.seed}".toString(), dataset: meta.dataset, method: model.name, seed: model.seed], latents, graph]
    }
    to_map = runs
        .join(counts.map { meta, file -> [meta.dataset, file] })
        .map { _dataset, meta, latents, graph, file -> [meta, latents, file, graph] }
    MAP(to_map, model.preprocess, options.device, code)
    // How like the reference each section is, a line each
    MAP.out.lines.filter { lines -> lines.trim() }.subscribe { lines -> log.info(lines.trim()) }
    // [run meta, embedding, domains, latents, graph, no coordinates]
    to_evaluate = MAP.out.embedding
        .join(MAP.out.domains)
        .join(runs.map { _dataset, meta, latents, graph -> [meta, latents, graph] })
        .map { meta, embedding, domains, latents, graph -> [meta, embedding, domains, latents, graph, []] }
    EVALUATE(to_evaluate, 'reference', code)
    EVALUATE.out.metrics.map { meta, file -> resultLine(meta, file) }.subscribe { line -> log.info(line) }

    emit:
    planned = runs.map { _dataset, meta, _latents, _graph -> meta } // run meta, e.g. [id: 'reference.seed1', dataset: 'embryo', method: 'reference', seed: 1]
    left_out = channel.empty() // as of INTEGRATE: no method is left out
    records = MAP.out.record // [run meta, record], e.g. [[id: 'reference.seed1', ...], reference.seed1.training.json]
    metrics = EVALUATE.out.metrics // [run meta, metrics], e.g. [[id: 'reference.seed1', ...], reference.seed1.metrics.csv]
    verdicts = channel.empty() // as of INTEGRATE: nothing is trained that could be assessed
    quality = channel.empty() // as of INTEGRATE: sections are not matched
    models = channel.empty() // as of INTEGRATE: no model is saved
    files = MAP.out.embedding.mix(MAP.out.domains, MAP.out.summary, MAP.out.tables, EVALUATE.out.metrics) // [run meta, files] for ASSEMBLE and the reports
}
