include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// The options for gene sets and panel, as far as they are given.
def setOptions(gene_sets, panel) {
    return (gene_sets ? ["--gene-sets ${gene_sets}"] : []) + (panel ? ["--panel ${panel}"] : [])
}

// What the domains of a dataset are: their markers, gene sets, names, shapes, neighbours and trajectories.
process CHARACTERISE {
    tag "${meta.dataset}"
    label 'medium'
    memory { requestedMemory('CHARACTERISE', files, task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(files, stageAs: 'files/*')
    val runs
    path gene_sets, stageAs: 'gene_sets.gmt'
    path panel, stageAs: 'panel.yml'
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/characterise/*.csv"), emit: tables
    tuple val("${task.process}"), eval('software_versions.py scanpy scikit-learn scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def given = runs.collect { run -> "--run ${run}" } + setOptions(gene_sets, panel) + (meta.root ? ["--pseudotime-root ${meta.root}"] : [])
    """
    # code ${code}
    characterise.py --files files ${given.join(' ')} --seed ${meta.seed} --out-dir 'results/${meta.dataset}/characterise'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}/characterise'
    touch results/${meta.dataset}/characterise/{composition,denoised_auc,denoised_curves,distributions,markers,neighbours,profiles,pseudotime,shared_edges,structure${panel ? ',names' : ''}}.csv
    """
}

// The user's gene sets and panel, refused before the first computation where they cannot be used.
process CHECK_SETS {
    label 'small'

    input:
    path gene_sets, stageAs: 'gene_sets.gmt'
    path panel, stageAs: 'panel.yml'
    val code

    output:
    val true, emit: fine

    script:
    """
    # code ${code}
    characterise.py --check ${setOptions(gene_sets, panel).join(' ')}
    """

    stub:
    """
    true
    """
}
