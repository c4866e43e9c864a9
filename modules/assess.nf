include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Which runs of a dataset to trust, and what each modality adds, without labels.
process ASSESS {
    tag "${meta.dataset}"
    label 'medium'
    memory { requestedMemory('ASSESS', [domains, embeddings, latents], task.attempt) }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(domains, stageAs: 'runs/*'), path(embeddings, stageAs: 'runs/*'), path(latents), val(n_domains)
    val code

    output:
    tuple val(meta), path("results/${meta.dataset}/{verdict.json,evidence.csv,modality_value.csv}"), emit: verdict
    stdout emit: line
    tuple val("${task.process}"), eval('software_versions.py scikit-learn scipy'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def runs = [domains].flatten().collect { file -> "--domains ${file}" } + [embeddings].flatten().collect { file -> "--embedding ${file}" }
    """
    # code ${code}
    assess.py ${runs.join(' ')} --latents ${latents} --n-domains ${n_domains} --seed ${meta.seed} \\
        --verdict 'results/${meta.dataset}/verdict.json' --evidence 'results/${meta.dataset}/evidence.csv' \\
        --modality-value 'results/${meta.dataset}/modality_value.csv'
    """

    stub:
    """
    mkdir -p 'results/${meta.dataset}'
    touch 'results/${meta.dataset}/verdict.json' 'results/${meta.dataset}/evidence.csv' 'results/${meta.dataset}/modality_value.csv'
    """
}
