// Real inputs for tests of single processes: the simulated test tissue, as far along the flow as a test needs it.

include { readSamplesheet } from '../../modules/checks/samplesheet'
include { SIMULATE        } from '../../modules/simulate'
include { INGEST          } from '../../modules/ingest'
include { PREPROCESS      } from '../../modules/preprocess'
include { GRAPH           } from '../../modules/graph'
include { TRAIN           } from '../../modules/train'
include { CLUSTER         } from '../../modules/cluster'
include { SAVE_MODEL      } from '../../modules/save_model'

workflow ROWS {
    main:
    SIMULATE('test', 1, 'test')

    emit:
    rows = SIMULATE.out.samplesheet.flatMap { sheet -> readSamplesheet(sheet) }
}

workflow SECTION {
    main:
    ROWS()
    INGEST(ROWS.out.rows, 'test')

    emit:
    section = INGEST.out.section
}

workflow LATENTS {
    main:
    SECTION()
    PREPROCESS(SECTION.out.section.map { meta, section -> [meta + [preprocess: 'smart'], [section], file("${projectDir}/assets/preprocess/smart.yml")] }, 1, '', 'test')

    emit:
    latents = PREPROCESS.out.latents.map { meta, latents -> [meta + [graph: 'spatial', id: 'pca_smooth.seed1', method: 'pca_smooth', seed: 1], latents] }
    counts = PREPROCESS.out.counts.map { _meta, counts -> counts }
}

// [run meta, latents, graph]
workflow PREPARED {
    main:
    LATENTS()
    GRAPH(LATENTS.out.latents.map { meta, latents -> [meta, latents, file("${projectDir}/assets/graphs/spatial.yml")] }, '', 'test')

    emit:
    prepared = LATENTS.out.latents.join(GRAPH.out.graph)
    counts = LATENTS.out.counts
}

// [run meta, embedding, latents, graph]
workflow TRAINED {
    main:
    PREPARED()
    TRAIN(PREPARED.out.prepared.map { meta, latents, graph -> [meta, latents, graph, [], file("${projectDir}/assets/methods/pca_smooth.yml"), [settings: [], preset: '', environment: '', gpu: false, processes: 1, nodes: 1]] }, 'cpu', '', 'test')

    emit:
    trained = TRAIN.out.embedding.join(PREPARED.out.prepared)
    counts = PREPARED.out.counts
}

// [run meta, embedding, domains, latents, graph]
workflow CLUSTERED {
    main:
    TRAINED()
    CLUSTER(TRAINED.out.trained.map { meta, embedding, _latents, graph -> [meta, embedding, graph, meta.n_domains] }, 'mclust', 0, 'test')

    emit:
    clustered = TRAINED.out.trained.join(CLUSTER.out.domains).map { meta, embedding, latents, graph, domains -> [meta, embedding, domains, latents, graph] }
    counts = TRAINED.out.counts
}

// [run meta, method file, latents, graph, embedding, state, domains, summary, counts, no names], for SAVE_MODEL
workflow SAVEABLE {
    main:
    PREPARED()
    TRAIN(PREPARED.out.prepared.map { meta, latents, graph -> [meta, latents, graph, [], file("${projectDir}/assets/methods/pca_smooth.yml"), [settings: [], preset: '', environment: '', gpu: false, processes: 1, nodes: 1, saved: true]] }, 'cpu', '', 'test')
    CLUSTER(TRAIN.out.embedding.join(PREPARED.out.prepared).map { meta, embedding, _latents, graph -> [meta, embedding, graph, meta.n_domains] }, 'mclust', 0, 'test')

    emit:
    saveable = TRAIN.out.state
        .join(PREPARED.out.prepared)
        .join(TRAIN.out.embedding)
        .join(CLUSTER.out.domains)
        .join(CLUSTER.out.summary)
        .combine(PREPARED.out.counts)
        .map { meta, state, latents, graph, embedding, domains, summary, counts -> [meta, file("${projectDir}/assets/methods/pca_smooth.yml"), latents, graph, embedding, state, domains, summary, counts, []] }
}

// A saved model, and [run meta, latents, counts, graph] of the section that it was trained on, by the model
workflow SAVED {
    main:
    SAVEABLE()
    SAVE_MODEL(SAVEABLE.out.saveable, 'test')

    emit:
    model = SAVE_MODEL.out.model.map { _meta, model -> model }
    inputs = SAVEABLE.out.saveable.map { meta, _method, latents, graph, _embedding, _state, _domains, _summary, counts, _names -> [meta + [id: 'reference.seed1', method: 'reference'], latents, counts, graph] }
}
