#include "conf/leaves.hpp"

#include "conf/value.hpp"

namespace weir::conf {

namespace {

Branch branch_of(Section section, std::string path, const void* object) {
    Branch branch{section, std::move(path), {}};
    for (const Setting& setting : settings()) {
        if (setting.section == section) {
            branch.leaves.push_back({branch.path, &setting, *setting.field.read(object)});
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

}  // namespace

std::string Leaf::shown() const {
    const std::string text = format_value(*setting, value);
    return setting->secrecy == Secrecy::Secret && !text.empty() ? std::string{kMask} : text;
}

std::vector<Branch> branches(const Config& config) {
    std::vector<Branch> all;
    for (const SectionInfo& info : sections()) {
        if (!info.is_named) {
            all.push_back(branch_of(
                info.section, std::string{info.name}, section_object(config, info.section)));
        }
        if (info.section == Section::Cluster) {
            for (const auto& [name, cluster] : config.clusters) {
                const std::string path = join_key(info.name, name);
                all.push_back(branch_of(info.section, path, &cluster));
                add_overrides(all, path + ".tls", Section::TlsServer, &cluster.tls);
            }
        }
        if (info.section == Section::Database) {
            for (const auto& [name, database] : config.databases) {
                const std::string path = join_key(info.name, name);
                all.push_back(branch_of(info.section, path, &database));
                add_overrides(all, path + ".pool", Section::Pool, &database.pool);
                add_overrides(all, path + ".policy", Section::Policy, &database.policy);
            }
        }
        if (info.section == Section::User) {
            for (const auto& [name, user] : config.users) {
                const std::string path = join_key(info.name, name);
                all.push_back(branch_of(info.section, path, &user));
                all.back().is_generated = user.is_from_users_file;
                add_overrides(all, path + ".pool", Section::Pool, &user.pool);
                add_overrides(all, path + ".policy", Section::Policy, &user.policy);
            }
        }
    }
    return all;
}

}  // namespace weir::conf
