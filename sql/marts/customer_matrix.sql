-- Where each buyer stands in the matrix of longevity and strength, where they
-- stood matrix_compare_days ago, and what they are expected to spend.
with positions as (
    select * from intermediate.matrix_positions
),

customer_value as (
    select * from marts.customer_value
),

tenure_bands as (
    select * from seeds.tenure_bands
),

positions_now as (
    select * from positions where cut_on = $as_of
),

positions_before as (
    select *
    from positions
    where cut_on = add_days($as_of, -$matrix_compare_days)
),

longest_band as (
    select max(from_months) as from_months from tenure_bands
),

top_cell as (
    select tenure_bands.band || ' / 5' as cell
    from tenure_bands
    inner join longest_band
        on tenure_bands.from_months = longest_band.from_months
),

final as (
    select
        positions_now.customer_id,
        positions_now.tenure_band,
        positions_now.strength,
        positions_now.strength_score,
        positions_now.cell,
        positions_before.cell as cell_before,
        case
            when positions_before.cell is null then 'new'
            when positions_now.strength > positions_before.strength then 'up'
            when positions_now.strength < positions_before.strength
                then 'down'
            when positions_now.tenure_band <> positions_before.tenure_band
                then 'aged'
            else 'same'
        end as direction,
        customer_value.expected_purchases
        * customer_value.expected_purchase_value as predicted_spend,
        top_cell.cell is not null as is_top_cell
    from positions_now
    left join positions_before
        on positions_now.customer_id = positions_before.customer_id
    left join customer_value
        on positions_now.customer_id = customer_value.customer_id
    left join top_cell on positions_now.cell = top_cell.cell
)

select * from final
