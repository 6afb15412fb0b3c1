import CRocksDB

/// The options and the cache of a database, which must outlive it.
final class DatabaseResources {
    let options: OpaquePointer
    let familyOptions: [OpaquePointer]
    /// Options of plugins' families that are read in order.
    let orderedOptions: OpaquePointer
    let cache: OpaquePointer

    init(_ settings: DatabaseOptions) {
        cache = Self.makeCache(byteCount: max(settings.cacheBytes, 1 << 20))
        options = rocksdb_options_create()
        rocksdb_options_set_create_if_missing(options, 1)
        rocksdb_options_set_create_missing_column_families(options, 1)
        rocksdb_options_set_paranoid_checks(options, 1)
        // A torn last record of the log is the batch that was being written; what stands before
        // it is whole.
        rocksdb_options_set_wal_recovery_mode(options, Int32(rocksdb_point_in_time_recovery))
        rocksdb_options_set_max_open_files(options, settings.maximumOpenFiles)
        rocksdb_options_set_max_background_jobs(options, 2)
        rocksdb_options_set_bytes_per_sync(options, 1 << 20)
        rocksdb_options_set_info_log_level(options, 2)  // Warnings.
        rocksdb_options_set_keep_log_file_num(options, 2)
        rocksdb_options_set_max_log_file_size(options, 4 << 20)
        rocksdb_options_set_stats_dump_period_sec(options, 0)
        // Bounded memory: all write buffers together; and a bounded log, so that a family with few
        // writes does not hold it. An arena is taken whole by a family's first entry: with those of
        // the plugins there are some forty, which must not fill the buffers before they hold much.
        let total = max(settings.writeBufferBytes, 8 << 20)
        rocksdb_options_set_db_write_buffer_size(options, total)
        rocksdb_options_set_write_buffer_size(options, total / 2)
        rocksdb_options_set_max_write_buffer_number(options, 3)
        rocksdb_options_set_arena_block_size(options, 32 << 10)
        rocksdb_options_set_max_total_wal_size(options, UInt64(total) * 2)
        rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1)
        // The first level is as large as what is merged into it at a time, four write buffers: a larger
        // one would be written anew each time for the little that comes.
        rocksdb_options_set_max_bytes_for_level_base(options, UInt64(total) * 2)
        rocksdb_options_set_target_file_size_base(options, UInt64(max(total, 16 << 20)))
        // Larger files further down, so that a large database has not too many.
        rocksdb_options_set_target_file_size_multiplier(options, 2)
        rocksdb_options_set_compression(options, Int32(rocksdb_lz4_compression))
        // Instead of one system call for each block of a table that is merged.
        rocksdb_options_compaction_readahead_size(options, 256 << 10)
        let base = options
        let shared = cache
        familyOptions = Family.allCases.map { family in
            let copy: OpaquePointer = rocksdb_options_create_copy(base)
            Self.apply(family.access, to: copy, cache: shared)
            if family.holdsState {
                // Who looks for a key that was not written lately need not search the write buffers.
                rocksdb_options_set_memtable_whole_key_filtering(copy, 1)
                rocksdb_options_set_memtable_prefix_bloom_size_ratio(copy, Self.bloomShare)
            }
            if family.isAlwaysFound { rocksdb_options_set_optimize_filters_for_hits(copy, 1) }
            if family.holdsHashes {
                rocksdb_options_set_compression(copy, Int32(rocksdb_no_compression))
            }
            return copy
        }
        orderedOptions = rocksdb_options_create_copy(base)
        Self.apply(.bulk, to: orderedOptions, cache: shared)
        Self.apply(.point, to: options, cache: cache)
    }

    deinit {
        familyOptions.forEach { rocksdb_options_destroy($0) }
        rocksdb_options_destroy(orderedOptions)
        rocksdb_options_destroy(options)
        rocksdb_cache_destroy(cache)
    }

    /// What a filter takes of a write buffer, from its first entry on.
    private static let bloomShare = 0.03

    private static func makeCache(byteCount: Int) -> OpaquePointer {
        let options = rocksdb_lru_cache_options_create()
        defer { rocksdb_lru_cache_options_destroy(options) }
        rocksdb_lru_cache_options_set_capacity(options, byteCount)
        // The filter of a table has a megabyte or more: in many small parts of the cache there would be
        // room for one or two, and they would drive each other out. In few parts those who read at the
        // same time wait for each other.
        rocksdb_lru_cache_options_set_num_shard_bits(options, byteCount >= 64 << 20 ? 4 : 2)
        return rocksdb_cache_create_lru_opts(options)
    }

    private static func apply(
        _ access: Family.Access, to options: OpaquePointer, cache: OpaquePointer
    ) {
        let table: OpaquePointer = rocksdb_block_based_options_create()
        // The options take copies of the table options and ownership of the filter policy.
        defer { rocksdb_block_based_options_destroy(table) }
        rocksdb_block_based_options_set_block_cache(table, cache)
        rocksdb_block_based_options_set_format_version(table, 5)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1)
        rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1)
        rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1)
        switch access {
        case .point:
            rocksdb_block_based_options_set_filter_policy(
                table, rocksdb_filterpolicy_create_bloom_full(10))
        case .bulk:
            rocksdb_block_based_options_set_block_size(table, 16 << 10)
            rocksdb_options_set_bottommost_compression(options, Int32(rocksdb_zstd_compression))
        case .prefix(let count):
            rocksdb_block_based_options_set_filter_policy(
                table, rocksdb_filterpolicy_create_bloom_full(10))
            rocksdb_block_based_options_set_whole_key_filtering(table, 0)
            rocksdb_options_set_prefix_extractor(
                options, rocksdb_slicetransform_create_fixed_prefix(count))
            rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, bloomShare)
        }
        rocksdb_options_set_block_based_table_factory(options, table)
    }
}
