#include "conf/section_reader.hpp"

#include "conf/suggest.hpp"
#include "conf/value.hpp"

#include <algorithm>

namespace weir::conf {

namespace {

constexpr std::string_view kPoolKey = "pool";
constexpr std::string_view kReadKey = "read";
constexpr std::string_view kPolicyKey = "policy";
constexpr std::string_view kRetryKey = "retry";
constexpr std::string_view kBreakerKey = "breaker";
/// [tls.client] and [tls.server] stand below it.
constexpr std::string_view kTlsKey = "tls";

const SectionInfo* section_named(std::string_view name) {
    const auto all = sections();
    const auto found = std::find_if(all.begin(), all.end(), [&](const SectionInfo& info) {
        return info.section != Section::Top && info.name == name;
    });
    return found == all.end() ? nullptr : &*found;
}

}  // namespace

void SectionReader::read_root(const Node& root) {
    for (const Entry& entry : root.entries) {
        read_entry(entry);
    }
}

std::vector<SectionReader::Below> SectionReader::below_pool(PoolOverrides& read_pool) {
    return {{kReadKey, Section::Pool, &read_pool}};
}

std::vector<SectionReader::Below> SectionReader::below_policy(PolicyOverrides& policy) {
    return {{kRetryKey, Section::Retry, &policy.retry}};
}

template <class Settings>
std::vector<SectionReader::Below> SectionReader::below_named(Settings& settings) {
    return {{kPoolKey,
             Section::Pool,
             &settings.pool,
             Fields::Overrides,
             below_pool(settings.read_pool)},
            {kPolicyKey,
             Section::Policy,
             &settings.policy,
             Fields::Overrides,
             below_policy(settings.policy)}};
}

std::vector<SectionReader::Below> SectionReader::below_single(Section section) {
    if (section == Section::Pool) {
        return below_pool(draft_.config.read_pool);
    }
    if (section == Section::Policy) {
        auto below = below_policy(draft_.policy);
        below.push_back({kBreakerKey, Section::Breaker, &draft_.config.breaker, Fields::Own});
        return below;
    }
    return {};
}

void SectionReader::read_entry(const Entry& entry) {
    const Target top{Section::Top, &draft_.config, {}};
    const SectionInfo* info = section_named(entry.key);
    if (const Setting* setting = find_setting(Section::Top, entry.key)) {
        read_setting(*setting, top, entry);
    } else if (entry.key == kTlsKey) {
        read_group(entry);
    } else if (info == nullptr || entry.key.find('.') != std::string::npos) {
        report_unknown(top, entry);
    } else if (info->form == Form::Named) {
        read_named(*info, entry);
    } else if (info->form == Form::Listed) {
        read_listed(info->section, entry);
    } else {
        draft_.places[entry.key] = {entry.key_at, {}};
        read_section({info->section,
                      draft_.object_of(info->section),
                      entry.key,
                      is_laid_over(info->section) ? Fields::Overrides : Fields::Own,
                      below_single(info->section)},
                     entry.value);
    }
}

/// @return whether it is; complains where it is not
bool SectionReader::is_list_of_tables(const Entry& entry, const Listing& listing) {
    draft_.places[entry.key] = {entry.key_at, {}};
    const auto& items = entry.value.items;
    const bool is_list = entry.value.kind == Node::Kind::Array &&
                         std::all_of(items.begin(), items.end(), [](const Node& item) {
                             return item.kind == Node::Kind::Table;
                         });
    if (!is_list) {
        draft_.complain_at(entry.key_at,
                           entry.key,
                           "is no list of tables; accepted: " + std::string{listing.form});
        return false;
    }
    if (items.size() > listing.max) {
        draft_.complain_at(items[listing.max].at,
                           entry.key,
                           "too many " + std::string{listing.what} + "; accepted: at most " +
                               std::to_string(listing.max));
        return false;
    }
    return true;
}

void SectionReader::read_listed(Section section, const Entry& entry) {
    Config& config = draft_.config;
    switch (section) {
        case Section::Alert:
            return read_list(
                entry,
                {"alerts", "[[alert]] with when below it, once for each alert", kMaxAlerts},
                section,
                config.alerts);
        case Section::WarmUp:
            return read_list(entry,
                             {"lists of statements",
                              "[[warm_up]] with database, user and statements below it",
                              kMaxWarmUps},
                             section,
                             config.warm_ups);
        case Section::Partition:
            return read_list(entry,
                             {"partitioned tables",
                              "[[partition]] with table, key and interval below it",
                              kMaxMaintenanceEntries},
                             section,
                             config.partitions);
        case Section::Aggregate:
            return read_list(
                entry,
                {"aggregates",
                 "[[aggregate]] with source, target, time, bucket and columns below it",
                 kMaxMaintenanceEntries},
                section,
                config.aggregates);
        case Section::MaterializedView:
            return read_list(entry,
                             {"materialized views",
                              "[[materialized_view]] with name below it",
                              kMaxMaintenanceEntries},
                             section,
                             config.materialized_views);
        case Section::Task:
            return read_list(
                entry,
                {"tasks", "[[task]] with name, schedule and sql below it", kMaxMaintenanceEntries},
                section,
                config.tasks);
        default: return read_rules(entry);
    }
}

/// Reads every section of a list that has nothing below it.
template <class Settings>
void SectionReader::read_list(const Entry& entry,
                              const Listing& listing,
                              Section section,
                              std::vector<Settings>& list) {
    if (!is_list_of_tables(entry, listing)) {
        return;
    }
    const auto& items = entry.value.items;
    list.resize(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::string path = listed_path(section, i);
        draft_.places[path] = {items[i].at, {}};
        draft_.put_defaults(section, &list[i]);
        read_section({section, &list[i], path}, items[i]);
    }
}

/// Reads every [[rule]].
void SectionReader::read_rules(const Entry& entry) {
    if (!is_list_of_tables(
            entry,
            {"rules", "[[rule]] with match and set below it, once for each rule", kMaxRules})) {
        return;
    }
    const auto& items = entry.value.items;
    auto& rules = draft_.config.rules;
    rules.resize(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
        const std::string path = rule_path(i);
        draft_.places[path] = {items[i].at, {}};
        read_section({Section::Rule,
                      nullptr,
                      path,
                      Fields::Own,
                      {{"match", Section::RuleMatch, &rules[i].match, Fields::Own},
                       {"set", Section::RuleSet, &rules[i].set, Fields::Own}}},
                     items[i]);
    }
}

/// Reads the sections [tls.client] and [tls.server].
void SectionReader::read_group(const Entry& entry) {
    if (entry.value.kind != Node::Kind::Table) {
        draft_.complain_at(
            entry.key_at, entry.key, "is no section; accepted: [tls.client] and [tls.server]");
        return;
    }
    for (const Entry& section : entry.value.entries) {
        const std::string path = join_key(entry.key, section.key);
        draft_.places[path] = {section.key_at, {}};
        if (const SectionInfo* info = section_named(path); info != nullptr) {
            read_section({info->section, section_object(draft_.config, info->section), path},
                         section.value);
        } else {
            draft_.complain_at(
                section.key_at, path, "unknown section; accepted: [tls.client], [tls.server]");
        }
    }
}

void SectionReader::read_named(const SectionInfo& info, const Entry& entry) {
    if (entry.value.kind != Node::Kind::Table) {
        draft_.complain_at(entry.key_at,
                           entry.key,
                           "is no section; accepted: [" + entry.key + ".NAME] with keys below it");
        return;
    }
    for (const Entry& section : entry.value.entries) {
        const std::string path = join_key(info.name, section.key);
        draft_.places[path] = {section.key_at, {}};
        const bool may_be_wild = info.section == Section::Database;
        if (section.value.kind != Node::Kind::Table) {
            draft_.complain_at(
                section.key_at,
                path,
                "is no section; accepted: [" + entry.key + ".NAME] with keys below it");
        } else if (section.key.empty() || (section.key == "*" && !may_be_wild)) {
            draft_.complain_at(
                section.key_at,
                path,
                "is no name; accepted: any name, and \"*\" for [database.\"*\"] only");
        } else {
            read_one_named(info, section, path);
        }
    }
}

void SectionReader::read_one_named(const SectionInfo& info,
                                   const Entry& entry,
                                   const std::string& path) {
    Config& config = draft_.config;
    if (info.section == Section::Cluster) {
        auto& cluster = config.clusters[entry.key] =
            draft_.with_defaults<ClusterSettings>(info.section, entry.key);
        read_section({info.section,
                      &cluster,
                      path,
                      Fields::Own,
                      {{kTlsKey, Section::TlsServer, &cluster.tls}}},
                     entry.value);
    } else if (info.section == Section::Database) {
        auto& database = config.databases[entry.key] =
            draft_.with_defaults<DatabaseSettings>(info.section, entry.key);
        read_section({info.section, &database, path, Fields::Own, below_named(database)},
                     entry.value);
    } else {
        auto& user = config.users[entry.key] =
            draft_.with_defaults<UserSettings>(info.section, entry.key);
        read_section({info.section, &user, path, Fields::Own, below_named(user)}, entry.value);
    }
}

void SectionReader::read_section(const Target& target, const Node& node) {
    if (node.kind != Node::Kind::Table) {
        const bool is_in_list = section_info(target.section).form == Form::Listed;
        const std::string name = target.path.substr(target.path.rfind('.') + 1);
        draft_.complain_at(
            node.at,
            target.path,
            "is no section; accepted: " +
                (is_in_list ? name + " = { … }" : "[" + target.path + "] with keys below it"));
        return;
    }
    for (const Entry& entry : node.entries) {
        if (const Setting* setting = find_setting(target.section, entry.key)) {
            read_setting(*setting, target, entry);
        } else if (const Below* below = target.find_below(entry.key); below != nullptr) {
            const std::string path = join_key(target.path, entry.key);
            draft_.places[path] = {entry.key_at, {}};
            read_section({below->section, below->object, path, below->fields, below->below},
                         entry.value);
        } else {
            report_unknown(target, entry);
        }
    }
}

void SectionReader::read_setting(const Setting& setting, const Target& target, const Entry& entry) {
    const std::string key = join_key(target.path, setting.key);
    draft_.places[key] = {entry.value.at, {}};
    for (const Entry& part : entry.value.entries) {
        draft_.places[join_key(key, part.key)] = {part.value.at, {}};
    }
    std::vector<ValueProblem> problems;
    std::optional<Value> value = read_value(setting, entry.value, problems);
    for (const ValueProblem& problem : problems) {
        draft_.complain_at(
            problem.at, problem.key.empty() ? key : join_key(key, problem.key), problem.message);
        draft_.broken.insert(key);
    }
    if (!value) {
        return;
    }
    if (auto* secret = std::get_if<std::string>(&*value);
        secret != nullptr && setting.secrecy == Secrecy::Secret) {
        if (const std::string wrong = draft_.resolve_secret(*secret); !wrong.empty()) {
            draft_.complain_at(entry.value.at, key, wrong);
            return;
        }
    }
    const Field& field =
        target.fields == Fields::Overrides ? setting.override_field : setting.field;
    field.put(target.object, *value);
}

void SectionReader::report_unknown(const Target& target, const Entry& entry) {
    std::vector<std::string_view> known;
    for (const Setting& setting : settings()) {
        if (setting.section == target.section) {
            known.push_back(setting.key);
        }
    }
    if (target.section == Section::Top) {
        for (const SectionInfo& info : sections()) {
            if (info.section != Section::Top) {
                known.push_back(info.name);
            }
        }
    }
    for (const Below& below : target.below) {
        known.push_back(below.key);
    }
    std::string message = "unknown key";
    if (const std::string_view meant = nearest(entry.key, known); !meant.empty()) {
        message += ", did you mean \"" + std::string{meant} + "\"?";
    }
    message += message.back() == '?' ? " accepted here: " : "; accepted here: ";
    for (std::size_t i = 0; i < known.size(); ++i) {
        message.append(i == 0 ? "" : ", ").append(known[i]);
    }
    draft_.complain_at(entry.key_at, join_key(target.path, entry.key), message);
}

}  // namespace weir::conf
