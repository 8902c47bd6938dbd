#pragma once

#include "sql/parse_tree.hpp"
#include "sql/tree_reader.hpp"

namespace weir::sql {

/// Says what statements may change that are neither queries nor COPY: those TreeReader tells of.
class EffectReader {
public:
    void read(const Node& statement);

    /// @return whether one of them may change what any table shows
    [[nodiscard]] bool changes_anything() const { return changes_anything_; }

    [[nodiscard]] bool makes_temporary() const { return makes_temporary_; }

    /// @return what the queries and calls in them name, and what they write
    [[nodiscard]] const TreeFindings& findings() const { return inside_.findings(); }

private:
    void read_creation(const Node& statement);
    void read_create_as(const Json& fields);
    void read_truncate(const Json& fields);
    void read_refresh(const Json& fields);
    void make(bool is_temporary);

    TreeReader inside_;
    bool changes_anything_ = false;
    bool makes_temporary_ = false;
};

}  // namespace weir::sql
