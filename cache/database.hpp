#pragma once

#include "cache/entry.hpp"
#include "cache/table_versions.hpp"

#include <memory>
#include <string>
#include <utility>

namespace weir::cache {

/// A database as the cache knows it. Made by Cache::database().
/// @thread any
class Database {
public:
    Database(DatabaseId id, std::string name) : id_{id}, name_{std::move(name)} {}

    [[nodiscard]] DatabaseId id() const { return id_; }

    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] TableVersions& versions() { return versions_; }

    [[nodiscard]] const TableVersions& versions() const { return versions_; }

private:
    DatabaseId id_;
    std::string name_;
    TableVersions versions_;
};

using DatabasePtr = std::shared_ptr<Database>;

}  // namespace weir::cache
