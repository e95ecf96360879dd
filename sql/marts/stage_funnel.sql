-- How far customers get: of those who entered a stage, who went on to the next
-- one, who dropped out there and who is still in it.
with stages as (
    select * from seeds.stages
),

stage_entries as (
    select * from marts.stage_entries
),

lifecycle_stages as (
    select * from marts.lifecycle_stages
),

customers as (
    select * from intermediate.known_customers
),

stages_in_order as (
    select
        rank as stage_rank,
        stage,
        lead(rank) over (order by rank) as next_rank
    from stages
),

-- Both views of a source and of a month: itself, and all of them together.
levels as (
    select
        column1 as is_by_source,
        column2 as is_by_month
    from (values (true, true), (true, false), (false, true), (false, false))
),

-- What became of each entry. A stage implies the earlier ones, so whoever did
-- not go on is in this stage today, dropped out or not.
outcomes as (
    select
        entries.stage_rank,
        coalesce(customers.acquisition_source, '(none)') as source,
        coalesce(to_char(entries.entered_on, '%Y-%m'), '(none)') as month,
        next_entries.customer_id is not null as is_advanced,
        next_entries.customer_id is null and lifecycle_stages.is_dropped_out
            as is_dropped_out,
        days_between(entries.entered_on, next_entries.entered_on)
            as days_to_advance
    from stage_entries as entries
    inner join stages_in_order
        on entries.stage_rank = stages_in_order.stage_rank
    inner join customers on entries.customer_id = customers.customer_id
    inner join lifecycle_stages
        on entries.customer_id = lifecycle_stages.customer_id
    left join stage_entries as next_entries
        on
            entries.customer_id = next_entries.customer_id
            and stages_in_order.next_rank = next_entries.stage_rank
),

counts as (
    select
        outcomes.stage_rank,
        case when levels.is_by_source then outcomes.source else 'all' end
            as acquisition_source,
        case when levels.is_by_month then outcomes.month else 'all' end
            as entry_month,
        count(*) as entered,
        count(*) filter (where outcomes.is_advanced) as advanced,
        count(*) filter (where outcomes.is_dropped_out) as dropped_out,
        median(cast(outcomes.days_to_advance as double))
            as median_days_to_advance
    from outcomes
    cross join levels
    group by
        outcomes.stage_rank,
        case when levels.is_by_source then outcomes.source else 'all' end,
        case when levels.is_by_month then outcomes.month else 'all' end
),

sources as (
    select coalesce(customers.acquisition_source, '(none)') as source
    from customers
    inner join lifecycle_stages
        on customers.customer_id = lifecycle_stages.customer_id
    group by coalesce(customers.acquisition_source, '(none)')
    union
    select 'all' as source
),

-- A funnel over all months has every stage, reached or not.
counts_and_empty as (
    select * from counts
    union all
    select
        stages_in_order.stage_rank,
        sources.source as acquisition_source,
        'all' as entry_month,
        0 as entered,
        0 as advanced,
        0 as dropped_out,
        cast(null as double) as median_days_to_advance
    from stages_in_order
    cross join sources
),

funnels as (
    select
        stage_rank,
        acquisition_source,
        entry_month,
        sum(entered) as entered,
        sum(advanced) as advanced,
        sum(dropped_out) as dropped_out,
        max(median_days_to_advance) as median_days_to_advance
    from counts_and_empty
    group by stage_rank, acquisition_source, entry_month
),

final as (
    select
        stages_in_order.stage,
        stages_in_order.stage_rank,
        funnels.acquisition_source,
        funnels.entry_month,
        funnels.entered,
        funnels.advanced,
        funnels.dropped_out,
        funnels.entered - funnels.advanced - funnels.dropped_out
            as still_in_stage,
        case
            when stages_in_order.next_rank is not null
                then
                    cast(funnels.advanced as double)
                    / nullif(funnels.entered, 0)
        end as advance_rate,
        funnels.median_days_to_advance
    from funnels
    inner join stages_in_order
        on funnels.stage_rank = stages_in_order.stage_rank
)

select * from final
