#include "proxy/main_aggregate.hpp"

#include "maintenance/aggregate_forget.hpp"
#include "maintenance/aggregate_list.hpp"
#include "maintenance/aggregate_run.hpp"
#include "maintenance/aggregate_verify.hpp"

#include <algorithm>
#include <iostream>
#include <map>
#include <tuple>
#include <utility>

namespace weir::proxy {

namespace {

using maintenance::Answer;
using maintenance::problem;

constexpr int kFindings = 1;

Answer<std::map<std::string, std::string>> pairs(const std::vector<std::string>& texts,
                                                 const std::string& option) {
    std::map<std::string, std::string> all;
    for (const std::string& text : texts) {
        const std::size_t equals = text.find('=');
        if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
            return problem(std::string{option}.append(" ").append(text).append(": no name"),
                           option + " NAME=EXPRESSION");
        }
        if (!all.emplace(text.substr(0, equals), text.substr(equals + 1)).second) {
            return problem(
                std::string{option}.append(" ").append(text).append(": the name is there twice"));
        }
    }
    return all;
}

Answer<conf::CalendarSpan> span_of(const std::string& option, const std::string& text) {
    if (text.empty()) {
        return conf::CalendarSpan{};
    }
    const conf::Parsed<conf::CalendarSpan> span = conf::parse_calendar_span(text);
    if (!span.value) {
        return problem(option + " " + text + " " + span.problem);
    }
    return *span.value;
}

/// "public.t" and "t" may mean the same.
std::string unqualified(const std::string& name) {
    constexpr std::string_view kPublic = "public.";
    return name.starts_with(kPublic) ? name.substr(kPublic.size()) : name;
}

const std::map<std::string, conf::AggregateTemplate>& template_names() {
    static const std::map<std::string, conf::AggregateTemplate> kNames{
        {"", conf::AggregateTemplate::None},
        {"hourly", conf::AggregateTemplate::Hourly},
        {"url", conf::AggregateTemplate::Url},
        {"session", conf::AggregateTemplate::Session},
        {"error", conf::AggregateTemplate::Error}};
    return kNames;
}

}  // namespace

AggregateCommands::AggregateCommands(CLI::App& app)
    : aggregate_{app.add_subcommand("aggregate", "sums of tables, kept up to date")},
      run_{aggregate_->add_subcommand("run", "bring targets up to date; all that are configured")},
      list_{aggregate_->add_subcommand("list", "which there are, how far each is")},
      backfill_{aggregate_->add_subcommand(
          "backfill", "go on with the past; --rebuild computes everything anew")},
      verify_{aggregate_->add_subcommand(
          "verify", "compare targets with a fresh query; exit 1 where they differ")},
      forget_{aggregate_->add_subcommand(
          "forget", "take away what an aggregate has beside its target, which stays")} {
    aggregate_->require_subcommand(1);
    for (CLI::App* command : {run_, list_, backfill_, verify_, forget_}) {
        add_place(*command, arguments_);
    }
    for (CLI::App* command : {list_, verify_}) {
        add_forms(*command, arguments_);
    }
    for (CLI::App* command : {run_, backfill_, verify_}) {
        add_definition(*command);
    }
    for (CLI::App* command : {run_, backfill_, forget_}) {
        add_dry_run(*command, arguments_);
    }
    forget_->add_option("target", targets_, "schema.table, as list has it")->required();
    backfill_->add_flag("--rebuild",
                        rebuilds_,
                        "compute everything anew beside the target, as the definition now is");
    verify_->add_option("--from", from_, "compare buckets from this time on");
    verify_->add_option("--to", to_, "compare buckets before this time");
    verify_->add_flag("--repair", repairs_, "mark what differs: the next run computes it");
}

void AggregateCommands::add_definition(CLI::App& command) {
    command.add_option("target", targets_, "those that are meant; all without it");
    CLI::Option* source = command.add_option(
        "--source", given_.source, "an aggregate that is not in the configuration: its source");
    const auto add = [&](const char* name, std::string& value, const char* what) {
        command.add_option(name, value, what)->needs(source);
    };
    add("--target", given_.target, "its target");
    add("--time", given_.time, "the column that says when a row belongs");
    add("--bucket", given_.bucket, "how long a bucket is: \"1 hour\"");
    add("--late", given_.late, "how far back rows come late");
    add("--delay", given_.delay, "how long the newest buckets are left alone");
    add("--view", given_.view, "a view of the target and of what is not in it yet");
    command.add_option("--track", given_.track, "how late rows are found")
        ->check(CLI::IsMember({"counters", "triggers"}))
        ->needs(source);
    command.add_option("--template", given_.kind, "a ready-made aggregate")
        ->check(CLI::IsMember({"hourly", "url", "session", "error"}))
        ->needs(source);
    command.add_option("--group-by", given_.group_by, "a column, or \"expression AS name\"")
        ->needs(source);
    command.add_option("--column", given_.columns, "NAME=EXPRESSION of the target")->needs(source);
    command.add_option("--map", given_.map, "WORD=COLUMN: what a template's word is in the source")
        ->needs(source);
}

Answer<conf::AggregateSettings> AggregateCommands::given_settings() const {
    if (given_.target.empty() || given_.time.empty()) {
        return problem("--source needs --target and --time");
    }
    conf::AggregateSettings settings;
    settings.source = given_.source;
    settings.target = given_.target;
    settings.time = given_.time;
    settings.group_by = given_.group_by;
    settings.view = given_.view;
    settings.track =
        given_.track == "triggers" ? conf::LateTracking::Triggers : conf::LateTracking::Counters;
    settings.kind = template_names().at(given_.kind);
    for (const auto& [option, text, span] :
         {std::tuple{"--bucket", &given_.bucket, &settings.bucket},
          std::tuple{"--late", &given_.late, &settings.late},
          std::tuple{"--delay", &given_.delay, &settings.delay}}) {
        const Answer<conf::CalendarSpan> parsed = span_of(option, *text);
        if (!parsed) {
            return failed(parsed.error());
        }
        *span = *parsed;
    }
    for (const auto& [option, texts, all] :
         {std::tuple{"--column", &given_.columns, &settings.columns},
          std::tuple{"--map", &given_.map, &settings.template_columns}}) {
        Answer<std::map<std::string, std::string>> parsed = pairs(*texts, option);
        if (!parsed) {
            return failed(parsed.error());
        }
        *all = *std::move(parsed);
    }
    return settings;
}

Answer<std::vector<conf::AggregateSettings>> AggregateCommands::chosen(
    const conf::Config& config) const {
    if (!given_.source.empty()) {
        const Answer<conf::AggregateSettings> settings = given_settings();
        if (!settings) {
            return failed(settings.error());
        }
        return std::vector<conf::AggregateSettings>{*settings};
    }
    if (targets_.empty()) {
        if (config.aggregates.empty()) {
            return problem("no aggregate is configured",
                           "[[aggregate]] defines one; --source and its like do, too");
        }
        return config.aggregates;
    }
    std::vector<conf::AggregateSettings> found;
    for (const std::string& target : targets_) {
        const auto is_it = [&](const conf::AggregateSettings& settings) {
            return unqualified(settings.target) == unqualified(target);
        };
        const auto at = std::find_if(config.aggregates.begin(), config.aggregates.end(), is_it);
        if (at == config.aggregates.end()) {
            return problem(target + ": no [[aggregate]] has this target");
        }
        found.push_back(*at);
    }
    return found;
}

int AggregateCommands::run_all(MaintenanceSession& session) const {
    const auto all = chosen(session.config);
    if (!all) {
        return complain(all.error());
    }
    int status = 0;
    for (const conf::AggregateSettings& settings : *all) {
        const maintenance::JobResult result =
            rebuilds_ && backfill_->parsed() ? maintenance::rebuild_aggregate(session.job, settings)
                                             : maintenance::run_aggregate(session.job, settings);
        status = std::max(status, conclude(result));
    }
    return status;
}

int AggregateCommands::list_all(MaintenanceSession& session) const {
    const auto report = maintenance::list_aggregates(session.db);
    if (!report) {
        return complain(report.error());
    }
    print(*report, arguments_);
    return 0;
}

int AggregateCommands::verify_all(MaintenanceSession& session) const {
    const auto all = chosen(session.config);
    if (!all) {
        return complain(all.error());
    }
    int status = 0;
    for (const conf::AggregateSettings& settings : *all) {
        const maintenance::VerifyOptions options{from_, to_, repairs_};
        const auto result = maintenance::verify_aggregate(session.job, settings, options);
        if (!result) {
            status = std::max(status, complain(result.error()));
            continue;
        }
        if (result->differing > 0 || arguments_.json || arguments_.csv) {
            print(result->report, arguments_);
        }
        std::cerr << settings.target << ": " << result->differing << " buckets differ of "
                  << result->buckets << " compared"
                  << (result->differing > 0 && repairs_ ? "; they are marked for the next run" : "")
                  << (result->is_complete ? "" : "; stopped before the beginning") << '\n';
        if (result->differing > 0 || !result->is_complete) {
            status = std::max(status, kFindings);
        }
    }
    return status;
}

int AggregateCommands::forget_all(MaintenanceSession& session) const {
    int status = 0;
    for (const std::string& target : targets_) {
        status = std::max(status, conclude(maintenance::forget_aggregate(session.job, target)));
    }
    return status;
}

int AggregateCommands::run() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        if (list_->parsed()) {
            return list_all(session);
        }
        if (forget_->parsed()) {
            return forget_all(session);
        }
        return verify_->parsed() ? verify_all(session) : run_all(session);
    });
}

}  // namespace weir::proxy
