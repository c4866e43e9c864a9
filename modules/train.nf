include { retryOrGiveUp } from './checks/failures'
include { trainingMemory } from './checks/memory'

// One method with one seed on one dataset: the embedding of its spots.
process TRAIN {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'large'
    label 'gpu'
    memory { trainingMemory(latents, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents), path(graph), path(coordinates), path(preset), val(settings)
    val device
    val preset_name
    val checkpoint_dir
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/embeddings/${meta.method}/${meta.method}.seed${meta.seed}.h5ad"), emit: embedding
    tuple val("${task.process}"), eval('software_versions.py numpy scipy torch'), topic: versions

    script:
    def options = settings.collect { setting -> "--set ${setting}" }
    options += coordinates ? ["--coordinates ${coordinates}"] : []
    options += preset_name ? ["--preset-name ${preset_name}"] : []
    options += checkpoint_dir ? ["--checkpoint-dir '${checkpoint_dir}'"] : []
    """
    # code ${code}
    train.py --latents ${latents} --graph ${graph} --preset ${preset} --seed ${meta.seed} --device ${device} \\
        --threads ${task.cpus} ${options.join(' ')} \\
        --out 'results/${meta.dataset}/embeddings/${meta.method}/${meta.method}.seed${meta.seed}.h5ad'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/embeddings/${meta.method}'
    touch 'results/${meta.dataset}/embeddings/${meta.method}/${meta.method}.seed${meta.seed}.h5ad'
    """
}
