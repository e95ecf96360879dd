-- From which stage to which customers went in movement_days, net: only where
-- they were then and are now counts, not the stages between.
with stage_positions as (
    select * from intermediate.stage_positions
),

positions_now as (
    select * from stage_positions where cut_on = $as_of
),

positions_before as (
    select * from stage_positions
    where cut_on = add_days($as_of, -$movement_days)
),

moves as (
    select
        coalesce(positions_before.stage, '(none)') as from_stage,
        positions_now.stage as to_stage,
        coalesce(positions_before.stage_rank, 0) as from_rank,
        positions_now.stage_rank as to_rank,
        count(*) as customers
    from positions_now
    left join positions_before
        on positions_now.customer_id = positions_before.customer_id
    group by
        coalesce(positions_before.stage, '(none)'),
        positions_now.stage,
        coalesce(positions_before.stage_rank, 0),
        positions_now.stage_rank
),

-- Those who stayed are in the base of a stage, but are no movement.
bases as (
    select
        from_stage,
        cast(sum(customers) as bigint) as customers
    from moves
    group by from_stage
),

final as (
    select
        moves.from_stage,
        moves.to_stage,
        case when moves.from_stage <> '(none)' then moves.from_rank end
            as from_rank,
        moves.to_rank,
        moves.customers,
        case when moves.from_stage <> '(none)' then bases.customers end
            as customers_before,
        case
            when moves.from_stage <> '(none)'
                then
                    cast(moves.customers as double)
                    / nullif(bases.customers, 0)
        end as share
    from moves
    inner join bases on moves.from_stage = bases.from_stage
    where moves.from_stage <> moves.to_stage
)

select * from final
