include { requestedMemory ; retryOrGiveUp } from './checks/tasks'

// Which formats --export or --passports names, e.g. ['h5ad', 'loupe']; [] for 'none'
def formatsOf(text) {
    return text == 'none' ? [] : text.tokenize(',')*.trim().unique()
}

// The integrated file in the formats of other programs. Emits no versions: ASSEMBLE, which comes before, waits for those of all
// processes.
process EXPORT {
    tag "${dataset}"
    label 'medium'
    memory { requestedMemory('EXPORT', integrated, task.attempt) }
    errorStrategy { retryOrGiveUp(task, [dataset: dataset]) }

    input:
    tuple val(dataset), path(integrated)
    val formats
    val code

    output:
    // Files, not folders: some ways of publishing take no folders. None where nothing but domains are wanted and no run has any.
    tuple val(dataset), path("results/${dataset}/**", type: 'file'), emit: exported, optional: true
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    """
    # code ${code}
    export.py --integrated ${integrated} --formats ${formats.join(',')} --out-dir 'results/${dataset}'
    """

    stub:
    """
    mkdir -p 'results/${dataset}/integrated'
    touch 'results/${dataset}/integrated/section1.h5ad'
    """
}
