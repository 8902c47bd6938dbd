#include "proxy/main_partition.hpp"

#include "maintenance/partition_list.hpp"

namespace weir::proxy {

PartitionCommands::PartitionCommands(CLI::App& app)
    : partition_{app.add_subcommand("partition", "the partitions of tables")},
      list_{partition_->add_subcommand("list", "which there are, how large, how much in use")} {
    partition_->require_subcommand(1);
    add_place(*list_, arguments_);
    add_forms(*list_, arguments_);
    list_->add_option("table", table_, "a partitioned table, as PostgreSQL reads its name")
        ->required();
}

int PartitionCommands::run() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        const auto report = maintenance::list_partitions(session.db, table_);
        if (!report) {
            return complain(report.error());
        }
        print(*report, arguments_);
        return 0;
    });
}

}  // namespace weir::proxy
