include { progressOption } from './checks/progress'
include { requestedMemory ; retryOrGiveUp ; threadsOf ; trainingCpus } from './checks/tasks'

// One method with one seed on one dataset: the embedding of its spots.
process TRAIN {
    tag "${meta.dataset}, ${meta.method}, seed ${meta.seed}"
    label 'large'
    label 'gpu'
    // Several processes share a training by tiles: on a node each takes the whole dataset into memory.
    cpus { [trainingCpus(latents), method.processes].max() }
    memory { requestedMemory('TRAIN', latents, task.attempt, meta.method, method.settings) * method.processes }
    // From the method's preset and --gpus: conf/ chooses the task's software environment, GPUs and nodes by these.
    ext environment: { method.environment }, gpu: { method.gpu ? method.processes : 0 }, nodes: { method.nodes }
    errorStrategy { retryOrGiveUp(task, meta) }

    input:
    tuple val(meta), path(latents), path(graph), path(coordinates), path(method_file), val(method)
    val device
    val checkpoint_dir
    val code

    output:
    tuple val(meta), path("${meta.id}.h5ad"), emit: embedding
    tuple val(meta), path("${meta.id}.training.json"), emit: record
    tuple val(meta), path("${meta.id}.state.safetensors"), emit: state, optional: true
    tuple val("${task.process}"), eval('software_versions.py numpy scipy torch torch-geometric'), topic: versions
    tuple val("${task.process}"), val("${task.tag}"), eval('cat notices.txt 2> /dev/null || true'), topic: notices

    script:
    def options = method.settings.collect { setting -> "--method-option ${setting}" }
    options += coordinates ? ["--coordinates ${coordinates}"] : []
    options += method.preset ? ["--preset ${method.preset}"] : []
    options += method.processes > 1 ? ["--processes ${method.processes}"] : []
    options += method.nodes > 1 ? ["--nodes ${method.nodes}"] : []
    // Only of runs that are saved as models
    options += method.saved ? ["--state '${meta.id}.state.safetensors'"] : []
    options += checkpoint_dir ? ["--checkpoint-dir '${checkpoint_dir}'"] : []
    // Slurm 22.05 to 23.02 give the processes of srun one CPU each unless it is told.
    def launcher = method.nodes > 1 ? "srun --cpus-per-task=${task.cpus} " : ''
    """
    # code ${code}
    ${launcher}train.py --latents ${latents} --graph ${graph} --method ${method_file} --seed ${meta.seed} --device ${method.gpu ? device : 'cpu'} \\
        --threads ${threadsOf(task.cpus, method.processes)} ${options.join(' ')} ${progressOption(task)} \\
        --out '${meta.id}.h5ad' --record '${meta.id}.training.json'
    """

    stub:
    """
    touch '${meta.id}.h5ad' '${meta.id}.training.json' ${method.saved ? "'${meta.id}.state.safetensors'" : ''}
    """
}
