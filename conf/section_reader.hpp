#pragma once

#include "conf/draft.hpp"
#include "conf/node.hpp"
#include "conf/schema.hpp"

#include <string>

namespace weir::conf {

/// Walks the document along the schema and fills a draft. What the schema does not know is a
/// mistake.
class SectionReader {
public:
    explicit SectionReader(Draft& draft) : draft_{draft} {}

    void read_root(const Node& root);

private:
    /// A section while it is read.
    struct Target {
        Section section;
        void* object;             ///< its struct; for Pool and Policy the struct of overrides
        PoolOverrides* pool;      ///< where a [….pool] below it goes; null = there is none
        PolicyOverrides* policy;  ///< the same for [….policy]
        const std::string path;   ///< "database.shop"
    };

    void read_entry(const Entry& entry);
    void read_named(const SectionInfo& info, const Entry& entry);
    void read_one_named(const SectionInfo& info, const Entry& entry, const std::string& path);
    void read_section(const Target& target, const Node& node);
    void read_setting(const Setting& setting, const Target& target, const Entry& entry);
    void report_unknown(const Target& target, const Entry& entry);

    Draft& draft_;
};

}  // namespace weir::conf
