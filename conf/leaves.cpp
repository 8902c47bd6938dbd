#include "conf/leaves.hpp"

#include "conf/value.hpp"

namespace weir::conf {

namespace {

Branch branch_of(Section section, std::string path, const void* object) {
    Branch branch{section, std::move(path), {}};
    for (const Setting& setting : settings()) {
        if (setting.section != section) {
            continue;
        }
        if (auto value = setting.field.read(object)) {
            branch.leaves.push_back({branch.path, &setting, *std::move(value)});
        }
    }
    return branch;
}

/// Appends a section of overrides when anything is written there.
/// @param path "database.shop.pool"
/// @param overrides of that section's kind
void add_overrides(std::vector<Branch>& all,
                   std::string path,
                   Section section,
                   const void* overrides) {
    Branch branch{section, std::move(path), {}};
    for (const Setting& setting : settings()) {
        if (setting.section == section) {
            if (auto value = setting.override_field.read(overrides)) {
                branch.leaves.push_back({branch.path, &setting, *std::move(value)});
            }
        }
    }
    if (!branch.leaves.empty()) {
        all.push_back(std::move(branch));
    }
}

template <class Settings>
void add_overrides_of(std::vector<Branch>& all, const std::string& path, const Settings& settings) {
    add_overrides(all, path + ".pool", Section::Pool, &settings.pool);
    add_overrides(all, path + ".pool.read", Section::Pool, &settings.read_pool);
    add_overrides(all, path + ".policy", Section::Policy, &settings.policy);
    add_overrides(all, path + ".policy.retry", Section::Retry, &settings.policy.retry);
}

void add_rules(std::vector<Branch>& all, const std::vector<RuleSettings>& rules) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const std::string path = rule_path(i);
        all.push_back(branch_of(Section::RuleMatch, path + ".match", &rules[i].match));
        all.push_back(branch_of(Section::RuleSet, path + ".set", &rules[i].set));
    }
}

template <class Settings>
void add_list(std::vector<Branch>& all, Section section, const std::vector<Settings>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        all.push_back(branch_of(section, listed_path(section, i), &list[i]));
    }
}

/// Adds every section of a list that has nothing below it.
void add_listed(std::vector<Branch>& all, const Config& config, Section section) {
    switch (section) {
        case Section::Alert: return add_list(all, section, config.alerts);
        case Section::WarmUp: return add_list(all, section, config.warm_ups);
        case Section::Partition: return add_list(all, section, config.partitions);
        case Section::Aggregate: return add_list(all, section, config.aggregates);
        case Section::MaterializedView: return add_list(all, section, config.materialized_views);
        case Section::Task: return add_list(all, section, config.tasks);
        default: return;
    }
}

/// Adds every section of a kind that may stand more than once.
void add_many(std::vector<Branch>& all, const Config& config, const SectionInfo& info) {
    if (info.section == Section::Rule) {
        add_rules(all, config.rules);
    } else if (info.form == Form::Listed) {
        add_listed(all, config, info.section);
    } else if (info.section == Section::Cluster) {
        for (const auto& [name, cluster] : config.clusters) {
            const std::string path = join_key(info.name, name);
            all.push_back(branch_of(info.section, path, &cluster));
            add_overrides(all, path + ".tls", Section::TlsServer, &cluster.tls);
        }
    } else if (info.section == Section::Database) {
        for (const auto& [name, database] : config.databases) {
            const std::string path = join_key(info.name, name);
            all.push_back(branch_of(info.section, path, &database));
            add_overrides_of(all, path, database);
        }
    } else if (info.section == Section::User) {
        for (const auto& [name, user] : config.users) {
            const std::string path = join_key(info.name, name);
            all.push_back(branch_of(info.section, path, &user));
            all.back().is_generated = user.is_from_users_file;
            add_overrides_of(all, path, user);
        }
    }
}

}  // namespace

std::string Branch::header() const {
    switch (section) {
        case Section::RuleMatch: return "[[rule]]\n[rule.match]\n";
        case Section::RuleSet: return "[rule.set]\n";
        default: break;
    }
    const SectionInfo& info = section_info(section);
    if (info.form == Form::Listed) {
        return "[[" + std::string{info.name} + "]]\n";
    }
    return path.empty() ? std::string{} : "[" + path + "]\n";
}

std::string Leaf::shown() const {
    const std::string text = format_value(*setting, value);
    return setting->secrecy == Secrecy::Secret && !text.empty() ? std::string{kMask} : text;
}

std::vector<Branch> branches(const Config& config) {
    std::vector<Branch> all;
    for (const SectionInfo& info : sections()) {
        if (info.form == Form::Single) {
            all.push_back(branch_of(
                info.section, std::string{info.name}, section_object(config, info.section)));
        } else {
            add_many(all, config, info);
        }
        if (info.section == Section::Pool) {
            add_overrides(all, std::string{kReadPoolPath}, info.section, &config.read_pool);
        }
    }
    return all;
}

}  // namespace weir::conf
