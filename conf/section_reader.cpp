#include "conf/section_reader.hpp"

#include "conf/suggest.hpp"
#include "conf/value.hpp"

#include <algorithm>

namespace weir::conf {

namespace {

constexpr std::string_view kPoolKey = "pool";
constexpr std::string_view kPolicyKey = "policy";
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

void SectionReader::read_entry(const Entry& entry) {
    const Target top{Section::Top, &draft_.config, {}};
    const SectionInfo* info = section_named(entry.key);
    if (const Setting* setting = find_setting(Section::Top, entry.key)) {
        read_setting(*setting, top, entry);
    } else if (entry.key == kTlsKey) {
        read_group(entry);
    } else if (info == nullptr || entry.key.find('.') != std::string::npos) {
        report_unknown(top, entry);
    } else if (info->is_named) {
        read_named(*info, entry);
    } else {
        draft_.places[entry.key] = {entry.key_at, {}};
        const bool is_merged = info->section == Section::Pool || info->section == Section::Policy;
        read_section({info->section,
                      draft_.object_of(info->section),
                      entry.key,
                      is_merged ? Fields::Overrides : Fields::Own},
                     entry.value);
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
                      {Below{kTlsKey, Section::TlsServer, &cluster.tls}}},
                     entry.value);
    } else if (info.section == Section::Database) {
        auto& database = config.databases[entry.key] =
            draft_.with_defaults<DatabaseSettings>(info.section, entry.key);
        read_section({info.section,
                      &database,
                      path,
                      Fields::Own,
                      {Below{kPoolKey, Section::Pool, &database.pool},
                       Below{kPolicyKey, Section::Policy, &database.policy}}},
                     entry.value);
    } else {
        auto& user = config.users[entry.key] =
            draft_.with_defaults<UserSettings>(info.section, entry.key);
        read_section({info.section,
                      &user,
                      path,
                      Fields::Own,
                      {Below{kPoolKey, Section::Pool, &user.pool},
                       Below{kPolicyKey, Section::Policy, &user.policy}}},
                     entry.value);
    }
}

void SectionReader::read_section(const Target& target, const Node& node) {
    if (node.kind != Node::Kind::Table) {
        draft_.complain_at(node.at,
                           target.path,
                           "is no section; accepted: [" + target.path + "] with keys below it");
        return;
    }
    for (const Entry& entry : node.entries) {
        if (const Setting* setting = find_setting(target.section, entry.key)) {
            read_setting(*setting, target, entry);
        } else if (const Below* below = target.find_below(entry.key); below != nullptr) {
            const std::string path = join_key(target.path, entry.key);
            draft_.places[path] = {entry.key_at, {}};
            read_section({below->section, below->object, path, Fields::Overrides}, entry.value);
        } else {
            report_unknown(target, entry);
        }
    }
}

void SectionReader::read_setting(const Setting& setting, const Target& target, const Entry& entry) {
    const std::string key = join_key(target.path, setting.key);
    draft_.places[key] = {entry.value.at, {}};
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
        if (below.object != nullptr) {
            known.push_back(below.key);
        }
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
