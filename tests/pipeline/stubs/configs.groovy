// Prints the resolved configuration of many combinations of profiles, like `nextflow config -flat -profile ...` for each
// but in one process: a JSON object from the combination to its lines, or to 'ERROR: ...'.
// Arguments: the project's folder, then the combinations.
import java.nio.file.Path
import nextflow.cli.CliOptions
import nextflow.cli.CmdConfig
import nextflow.config.ConfigBuilder
import nextflow.util.ConfigHelper

def project = Path.of(args[0])
def resolved = [:]
for (profiles in args.drop(1)) {
    def command = new CmdConfig()
    command.@profile = profiles
    try {
        def config = new ConfigBuilder()
            .setShowClosures(true)
            .setOptions(new CliOptions())
            .setBaseDir(project)
            .setCmdConfig(command)
            .buildConfigObject()
        resolved[profiles] = ConfigHelper.toFlattenString(config)
    }
    catch (Exception error) {
        resolved[profiles] = "ERROR: ${error.message}".toString()
    }
}
println groovy.json.JsonOutput.toJson(resolved)
