// Real inputs for tests of single processes: the simulated test tissue, as far along the flow as a test needs it.

include { readSamplesheet } from '../../modules/checks/samplesheet'
include { SIMULATE        } from '../../modules/simulate'
include { INGEST          } from '../../modules/ingest'
include { PREPROCESS      } from '../../modules/preprocess'
include { GRAPH           } from '../../modules/graph'
include { TRAIN           } from '../../modules/train'
include { CLUSTER         } from '../../modules/cluster'

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
