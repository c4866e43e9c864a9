// Checks before the first task that the software of all tasks is there: the pipeline's own environment (''), and those that
// methods bring, which their presets name, e.g. 'totalvi', and whose pins are in environments/<name>/. For each task,
// conf/container.config, conf/conda.config and conf/environment.config choose the environment.

include { executorOf } from './executor'

// The end of names of images and folders, '' or e.g. '-totalvi'
def suffix(environment) {
    return environment ? "-${environment}" : ''
}

// The command that builds an image, e.g. 'containers/build.sh --sif --environment totalvi'
def buildCommand(environment, option) {
    return (['containers/build.sh', option] + (environment ? ["--environment ${environment}"] : [])).findAll().join(' ')
}

// Whether Docker or Podman has an image.
def hasImage(engine, image) {
    def command = new ProcessBuilder(engine, 'image', 'inspect', image).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD)
    try {
        return command.start().waitFor() == 0
    }
    catch (IOException _problem) {
        error("-profile ${engine}: the program '${engine}' was not found; install it, or choose a profile with other software")
    }
}

// What is missing for tasks in containers, with the command that makes it; null if nothing is missing.
def imageProblem(environment, options) {
    def engine = workflow.containerEngine
    def process = workflow.session.config.process
    def executor = executorOf(workflow.session.config)
    def image = "spatialweave${suffix(environment)}"
    def version = workflow.manifest.version
    def byProcess = process?.any { key, value -> key.startsWith('with') && value instanceof Map && value.container }
    if (process?.container instanceof CharSequence) {
        if (environment) {
            return byProcess ? null : "process.container names one image for all tasks, but environment '${environment}' has its own: set it for TRAIN too (docs/running.md)"
        }
        def chosen = process.container.startsWith('/') ? file(process.container) : null
        return chosen && !chosen.exists() ? "There is no image ${chosen} for ${engine}; process.container names it" : null
    }
    // Which tasks have the images of a site's selectors is not known before there are tasks.
    if (options.registry || byProcess) {
        return null
    }
    def name = "localhost/${image}:${version}"
    if (executor in ['awsbatch', 'azurebatch', 'google-batch', 'k8s']) {
        return "Tasks of ${executor} cannot get ${name}, an image of this machine; take the published one with --registry, or push yours to a registry and name it as process.container (docs/running.md)"
    }
    if (engine in ['singularity', 'apptainer', 'charliecloud']) {
        def path = file("${projectDir}/.cache/${image}-${version}${engine == 'charliecloud' ? '' : '.sif'}")
        def command = buildCommand(environment, engine == 'charliecloud' ? '--folder' : '--sif')
        return path.exists() ? null : "There is no image ${path} for ${engine}; make it with '${command}', or take a published one with --registry"
    }
    // Images on this machine say nothing about the nodes of a cluster.
    def local = executor == 'local' && !workflow.stubRun
    return local && !hasImage(engine, name) ? "There is no image ${name} for ${engine}; make it with '${buildCommand(environment, null)}', or take a published one with --registry" : null
}

// What is missing for the tasks of one environment, with the command that makes it; null if nothing is missing.
def environmentProblem(environment, options) {
    def pins = "environments/${environment}/"
    def conda = workflow.session.config.conda?.enabled
    if (environment && !file("${projectDir}/${pins}requirements.txt").exists()) {
        return "There is no ${pins}requirements.txt, which pins the packages of environment '${environment}'"
    }
    if (workflow.containerEngine) {
        return imageProblem(environment, options)
    }
    if (conda) {
        return environment && !file("${projectDir}/${pins}environment.yml").exists() ? "There is no ${pins}environment.yml for conda to make environment '${environment}' of" : null
    }
    def folder = "${projectDir}/.venv${suffix(environment)}"
    def command = environment ? "make environment NAME=${environment}" : 'make setup'
    return workflow.stubRun || file("${folder}/bin/python").exists() ? null : "There is no ${folder} for the tasks to run in; type '${command}' there, or choose a profile with containers"
}

// A missing environment of the pipeline, or of one of its own methods, stops the run. Baselines whose environment is missing are
// left out, unless no method is left but the control that every run has. Returns the methods that can run, and a notice for each
// environment that is missing, e.g.
// [process: 'TRAIN', task: 'multivi, totalvi', notice: "left out: There is no ...; type 'make environment NAME=baselines' there, ..."]
def checkEnvironments(methods, options) {
    def problems = ([''] + methods*.environment).unique().collectEntries { environment -> [environment, environmentProblem(environment, options)] }
    def idle = methods.findAll { method -> method.baseline && method.environment && problems[method.environment] }
    def is_left = (methods - idle).any { method -> method.named || method.name != 'pca_smooth' }
    def needed = is_left ? methods - idle : methods
    def serious = ([''] + needed*.environment).unique().collect { environment -> problems[environment] }.findAll()
    if (serious) {
        error(serious.join('\n'))
    }
    def notices = idle.groupBy { method -> method.environment }.collect { environment, group ->
        [process: 'TRAIN', task: group*.name.join(', '), notice: "left out: ${problems[environment]}".toString()]
    }
    notices.each { notice -> log.warn("${notice.task} ${notice.notice}") }
    return [methods: needed, notices: notices]
}
