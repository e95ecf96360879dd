-- How long each buyer waited, or has waited so far, until a second purchase.
with buyers as (
    select * from intermediate.buyers
),

customers as (
    select * from intermediate.known_customers
),

-- A wait ends with the second purchase day, or is still on at as_of.
waits as (
    select
        buyers.customer_id,
        buyers.first_purchase_on,
        coalesce(customers.acquisition_source, '(none)') as source,
        buyers.second_purchase_on is not null as has_returned,
        days_between(
            buyers.first_purchase_on,
            coalesce(buyers.second_purchase_on, $as_of)
        ) as days,
        days_between(buyers.first_purchase_on, $as_of) as age
    from buyers
    left join customers on buyers.customer_id = customers.customer_id
),

final as (
    select
        customer_id,
        first_purchase_on,
        source,
        has_returned,
        days,
        case
            when has_returned and days <= 30 then '0-30'
            when has_returned and days <= 60 then '31-60'
            when has_returned and days <= 90 then '61-90'
            when has_returned and days <= 365 then '91-365'
            when not has_returned and days < 365 then 'waiting'
            else 'none_in_365'
        end as band,
        age >= 455 as is_observed
    from waits
)

select * from final
